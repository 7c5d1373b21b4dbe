import { randomUUID } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { createUsers, openTable } from "../../domain";
import type { Stack } from "../../local/stack";
import { People } from "../../testing/people";
import { type Figure, quantile, spreadOf, time } from "./figure";

/** Measures the time from the confirmation's answer until the profile can be read, one person after the other. */
export async function signUpToProfile(
	stack: Stack,
	{
		writeMode,
		people: count,
		onPerson,
	}: { writeMode: string; people: number; onPerson: () => void },
): Promise<Figure[]> {
	const people = new People(stack);
	const users = createUsers(
		openTable({
			tableName: String(stack.outputs.tableName),
			client: new DynamoDBClient(stack.clientOptions),
		}),
	);
	const times: number[] = [];
	for (let person = 0; person < count; person++) {
		const email = `${randomUUID()}@example.com`;
		const sub = await people.signUp(email);
		await people.confirm(email);
		const begun = performance.now();
		while ((await users.findBySub(sub)).isErr()) if (performance.now() - begun > 10_000) break;
		times.push(performance.now() - begun);
		await stack.settled();
		onPerson();
	}
	const section = "Sign-up to profile";
	return [
		time(section, `${writeMode} mode, median`, times),
		{
			section,
			name: `${writeMode} mode, 95th percentile`,
			value: quantile(times, 0.95),
			unit: "ms",
			spread: spreadOf(times),
		},
	];
}
