import { CognitoIdentityProviderClient } from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { PurgeQueueCommand, SQSClient } from "@aws-sdk/client-sqs";
import { listAccounts } from "../adapters/userPool";
import { createUsers, openTable } from "../domain";
import { listProfiles } from "../domain/sync/listProfiles";
import { declared } from "../local/program";
import type { Stack } from "../local/stack";
import { listAll } from "./listAll";
import { People } from "./people";

/** Waits until all that a stack does has ended, and deletes every account, every profile and every message. */
export async function emptyStack(stack: Stack): Promise<void> {
	const { userPoolId, tableName } = stack.outputs;
	await stack.settled();
	const people = new People(stack);
	const cognito = new CognitoIdentityProviderClient(stack.clientOptions);
	for (const { account } of await listAll(listAccounts(String(userPoolId), cognito))) {
		await people.delete(account._unsafeUnwrap().identity.username);
	}
	// Where there is a trail, the profiles go with the accounts.
	await stack.settled();
	const client = new DynamoDBClient(stack.clientOptions);
	const table = openTable({ tableName: String(tableName), client });
	const users = createUsers(table);
	for (const { sub } of await listAll(listProfiles(table))) {
		(await users.remove(sub))._unsafeUnwrap();
	}
	const sqs = new SQSClient(stack.clientOptions);
	for (const { id } of declared(stack.program, "aws:sqs/queue:Queue")) {
		await sqs.send(new PurgeQueueCommand({ QueueUrl: id }));
	}
}
