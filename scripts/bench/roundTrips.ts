import { randomUUID } from "node:crypto";
import { CognitoIdentityProviderClient } from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { createUserPool } from "../../adapters/userPool";
import { createUsers, type Identity, openTable, recordUser } from "../../domain";
import type { Stack } from "../../local/stack";
import { People } from "../../testing/people";
import type { Figure } from "./figure";

/** Counts what each access pattern and use case sends on the wire to the embedded stack. */
export async function roundTrips(stack: Stack): Promise<Figure[]> {
	const client = new DynamoDBClient(stack.clientOptions);
	const users = createUsers(openTable({ tableName: String(stack.outputs.tableName), client }));
	const record = recordUser({
		users,
		userPool: createUserPool(
			String(stack.outputs.userPoolId),
			new CognitoIdentityProviderClient(stack.clientOptions),
		),
	});
	const people = new People(stack);

	/** A confirmed account that no event has told of. */
	async function person(): Promise<Identity> {
		const email = `${randomUUID()}@example.com`;
		const sub = await people.admit(email);
		return { sub, username: sub, email, emailVerified: true };
	}

	const figures: Figure[] = [];
	async function count(name: string, limit: number, run: () => unknown) {
		let value = 0;
		// Not what functions do meanwhile, of which the stream and the trail tell.
		const stop = stack.onCall(({ caller }) => {
			if (caller === "local") value++;
		});
		await run();
		stop();
		figures.push({ section: "Round trips", name, value, unit: "count", limit, spread: 0 });
	}

	const ada = await person();
	await count("register", 1, () => users.register(ada));
	await count("register again", 1, () => users.register(ada));
	await count("find by sub", 1, () => users.findBySub(ada.sub));
	await count("find by email", 1, () => users.findByEmail(ada.email));
	await count("update", 1, () => users.update(ada.sub, { displayName: "Ada" }));
	const { userId: adas } = (await users.findBySub(ada.sub))._unsafeUnwrap();
	await count("find by userId", 1, () => users.findByUserId(adas));
	await count("remove", 1, () => users.remove(ada.sub));

	const grace = await person();
	await count("recordUser, new, link included", 3, () => record({ identity: grace }));
	const mary = await person();
	await count("recordUser, new at confirmation", 2, () => record({ identity: mary }, "fact"));
	const { userId } = (await users.findBySub(grace.sub))._unsafeUnwrap();
	const linked = { identity: grace, userId };
	await count("recordUser, unchanged", 1, () => record(linked));
	await people.change(grace.email, { name: "Grace Hopper" });
	const changed = { ...linked, identity: { ...grace, name: "Grace Hopper" } };
	await count("recordUser, changed", 3, () => record(changed));
	await users.remove(grace.sub);
	await count("recordUser, profile lost", 5, () => record(linked));
	await people.delete(grace.email);
	await count("recordUser, account gone", 3, () => record({ identity: grace }));

	const { sub } = await person();
	await count("recordUser, new, of a sub alone", 4, () => record({ sub }));
	await count("recordUser, unchanged, of a sub alone", 2, () => record({ sub }));
	await people.change(sub, { name: "Mary" });
	await count("recordUser, changed, of a sub alone", 3, () => record({ sub }));
	await people.delete(sub);
	await count("recordUser, account gone, of a sub alone", 3, () => record({ sub }));
	return figures;
}
