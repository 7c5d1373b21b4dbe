import {
	CognitoIdentityProviderClient,
	paginateListUsers,
} from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { PurgeQueueCommand, SQSClient } from "@aws-sdk/client-sqs";
import { createUsers, openTable } from "../domain";
import { listProfiles } from "../domain/sync/listProfiles";
import { declared } from "../local/program";
import type { Stack } from "../local/stack";
import { listAll } from "./listAll";
import { People } from "./people";

/** Deletes every account, whatever its attributes are. */
export async function emptyPool(stack: Stack): Promise<void> {
	const client = new CognitoIdentityProviderClient(stack.clientOptions);
	const usernames: string[] = [];
	for await (const { Users = [] } of paginateListUsers(
		{ client },
		{ UserPoolId: stack.outputs.userPoolId },
	)) {
		usernames.push(...Users.map(({ Username }) => String(Username)));
	}
	const people = new People(stack);
	for (const username of usernames) await people.delete(username);
}

/** Waits until all that a stack does has ended, and deletes every account, every profile and every message. */
export async function emptyStack(stack: Stack): Promise<void> {
	await stack.settled();
	await emptyPool(stack);
	// Where there is a trail, the profiles go with the accounts.
	await stack.settled();
	const client = new DynamoDBClient(stack.clientOptions);
	const table = openTable({ tableName: String(stack.outputs.tableName), client });
	const users = createUsers(table);
	for (const { sub } of await listAll(listProfiles(table))) {
		(await users.remove(sub))._unsafeUnwrap();
	}
	const sqs = new SQSClient(stack.clientOptions);
	for (const { id } of declared(stack.program, "aws:sqs/queue:Queue")) {
		await sqs.send(new PurgeQueueCommand({ QueueUrl: id }));
	}
}
