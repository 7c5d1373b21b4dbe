import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import type { Stack } from "../../local/stack";
import { People } from "../../testing/people";
import type { Figure } from "./figure";

/**
 * Counts the clients that each function makes while many people sign up and in, one after the other. A client keeps one
 * connection for calls in turn, and opens another once that has ended, so that the most connections that were open at a time
 * tell how many clients there were.
 */
export async function clientsPerFunction(
	stack: Stack,
	{ writeMode, people: count }: { writeMode: string; people: number },
): Promise<Figure[]> {
	const people = new People(stack);
	const connections = new Map<string, Set<Socket>>();
	const most = new Map<string, number>();
	const stop = stack.onCall(({ caller, service, connection }) => {
		if (caller === undefined || caller === "local" || connection === undefined) return;
		const name = `${caller} to ${service}`;
		const open = [...(connections.get(name) ?? []), connection].filter((each) => !each.destroyed);
		connections.set(name, new Set(open));
		most.set(name, Math.max(most.get(name) ?? 0, new Set(open).size));
	});
	for (let person = 0; person < count; person++) {
		const email = `${randomUUID()}@example.com`;
		await people.signUp(email);
		await people.confirm(email);
		await stack.settled();
		await people.signIn(email);
		await stack.settled();
	}
	stop();
	return [...most].map(([name, size]) => ({
		section: `Clients after ${count} people, ${writeMode} mode`,
		name,
		value: size,
		unit: "count",
		limit: 1,
		spread: 0,
	}));
}
