import { randomUUID } from "node:crypto";
import type { Stack } from "../../local/stack";
import { People } from "../../testing/people";
import type { Figure } from "./figure";

/**
 * Counts the clients that each function makes while many people sign up and in, one after the other. A client keeps one
 * connection for calls in turn, so that its connections tell how many clients there were.
 */
export async function clientsPerFunction(
	stack: Stack,
	{ writeMode, people: count }: { writeMode: string; people: number },
): Promise<Figure[]> {
	const people = new People(stack);
	const connections = new Map<string, Set<unknown>>();
	const stop = stack.onCall(({ caller, service, connection }) => {
		if (caller === undefined || caller === "local" || connection === undefined) return;
		const name = `${caller} to ${service}`;
		connections.set(name, (connections.get(name) ?? new Set()).add(connection));
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
	return [...connections].map(([name, { size }]) => ({
		section: `Clients after ${count} people, ${writeMode} mode`,
		name,
		value: size,
		unit: "count",
		limit: 1,
		spread: 0,
	}));
}
