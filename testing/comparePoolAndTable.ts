import { CognitoIdentityProviderClient } from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { listAccounts } from "../adapters/userPool";
import { createUsers, openTable, parseEvent, type User } from "../domain";
import { listProfiles } from "../domain/sync/listProfiles";
import { hasIdentity } from "../domain/user/identity";
import type { Stack } from "../local/stack";
import { deadLetters } from "./deadLetters";
import { listAll } from "./listAll";

/** How the accounts of a pool and the profiles of a table agree. */
export interface Comparison {
	/** How many confirmed accounts have exactly one profile, equal to the account, and are linked to it. */
	readonly recorded: number;
	/** The subs of those that differ, while an event of theirs rests in the dead-letter queue, whole. */
	readonly resting: readonly string[];
	/** What differs otherwise, one sentence each. */
	readonly wrong: readonly string[];
}

/** Compares every confirmed account with every profile: what tests of faults end with. */
export async function comparePoolAndTable(stack: Stack): Promise<Comparison> {
	const { userPoolId, tableName } = stack.outputs;
	const table = openTable({
		tableName: String(tableName),
		client: new DynamoDBClient(stack.clientOptions),
	});
	const users = createUsers(table);
	const profiles = new Map<string, User>();
	const owners = await listAll(listProfiles(table));
	for (const user of await Promise.all(owners.map(({ sub }) => users.findBySub(sub)))) {
		profiles.set(user._unsafeUnwrap().sub, user._unsafeUnwrap());
	}
	const resting = new Set<string>();
	for (const letter of await deadLetters(stack)) {
		const event = parseEvent(letter);
		if (event.isOk()) resting.add(event.value.account.identity.sub);
	}

	const differing = new Map<string, string>();
	let recorded = 0;
	const cognito = new CognitoIdentityProviderClient(stack.clientOptions);
	for (const listed of await listAll(listAccounts(String(userPoolId), cognito))) {
		if (!listed.confirmed) continue;
		const { identity, userId } = listed.account._unsafeUnwrap();
		const profile = profiles.get(identity.sub);
		profiles.delete(identity.sub);
		if (!profile) differing.set(identity.sub, "has no profile");
		else if (!hasIdentity(profile, identity)) differing.set(identity.sub, "has another profile");
		else if (userId !== profile.userId) differing.set(identity.sub, "is not linked");
		else recorded++;
	}
	for (const sub of profiles.keys()) differing.set(sub, "has a profile and no account");

	const left = [...differing].filter(([sub]) => !resting.has(sub));
	return {
		recorded,
		resting: [...differing.keys()].filter((sub) => resting.has(sub)),
		wrong: left.map(([sub, what]) => `${sub} ${what}`),
	};
}
