import { randomUUID } from "node:crypto";
import { CognitoIdentityProviderClient } from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { createUserPool } from "../../adapters/userPool";
import { createUsers, type Identity, openTable, recordUser } from "../../domain";
import type { Stack } from "../../local/stack";
import { People } from "../../testing/people";
import type { Figure } from "./figure";

/** Counts what each access pattern and use case sends on the wire to the embedded stack, and the units that it reports. */
export async function roundTrips(stack: Stack): Promise<Figure[]> {
	const client = new DynamoDBClient(stack.clientOptions);
	let units = 0;
	client.middlewareStack.add(
		(next) => async (request) => {
			Object.assign(request.input, { ReturnConsumedCapacity: "TOTAL" });
			const result = await next(request);
			units += Number(Object(result.output).ConsumedCapacity?.CapacityUnits ?? 0);
			return result;
		},
		{ step: "initialize" },
	);
	const users = createUsers(openTable({ tableName: String(stack.outputs.tableName), client }));
	const record = recordUser({
		users,
		userPool: createUserPool(
			String(stack.outputs.userPoolId),
			new CognitoIdentityProviderClient(stack.clientOptions),
		),
	});
	const people = new People(stack);

	/** An account that no event has told of. */
	async function person(): Promise<Identity> {
		const email = `${randomUUID()}@example.com`;
		const sub = await people.create(email);
		return { sub, username: sub, email, emailVerified: true };
	}

	const figures: Figure[] = [];
	async function count(name: string, limit: number, run: () => unknown) {
		let value = 0;
		units = 0;
		const stop = stack.onCall(() => value++);
		await run();
		stop();
		figures.push(
			{ section: "Round trips", name, value, unit: "count", limit, spread: 0 },
			{ section: "Capacity of the table", name, value: units, unit: "units", spread: 0 },
		);
	}

	const ada = await person();
	await count("register", 1, () => users.register(ada));
	await count("register again", 1, () => users.register(ada));
	await count("find by sub", 1, () => users.findBySub(ada.sub));
	await count("find by email", 1, () => users.findByEmail(ada.email));
	await count("update", 1, () => users.update(ada.sub, { displayName: "Ada" }));
	await count("remove", 1, () => users.remove(ada.sub));

	const grace = await person();
	await count("recordUser, new, link included", 3, () => record({ identity: grace }));
	const { userId } = (await users.findBySub(grace.sub))._unsafeUnwrap();
	const linked = { identity: grace, userId };
	await count("recordUser, unchanged", 1, () => record(linked));
	await people.change(grace.email, { name: "Grace Hopper" });
	const changed = { ...linked, identity: { ...grace, name: "Grace Hopper" } };
	await count("recordUser, changed", 3, () => record(changed));
	await people.delete(grace.email);
	await count("recordUser, account gone", 3, () => record({ identity: grace }));
	return figures;
}
