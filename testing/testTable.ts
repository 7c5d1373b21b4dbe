import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { CreateTableCommand, DeleteTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import dynalite from "dynalite";
import { tableDefinition } from "../domain/table";

/** A table of a test file's own. */
export interface TestTable {
	readonly tableName: string;
	readonly client: DynamoDBClient;
	close(): Promise<void>;
}

/**
 * Makes an empty table for a test file: on an embedded dynalite, or on the endpoint that AWS_ENDPOINT_URL_DYNAMODB names,
 * such as AWS's DynamoDB Local.
 */
export async function openTestTable(): Promise<TestTable> {
	const emulator = process.env.AWS_ENDPOINT_URL_DYNAMODB
		? undefined
		: dynalite({ createTableMs: 0 });
	if (emulator) await once(emulator.listen(0, "127.0.0.1"), "listening");
	// A server that listens on a TCP port has an address of this kind.
	const port = (emulator?.address() as AddressInfo | undefined)?.port;
	const client = new DynamoDBClient({
		region: "us-east-1",
		credentials: { accessKeyId: "test", secretAccessKey: "test" },
		...(port && { endpoint: `http://127.0.0.1:${port}` }),
	});
	const tableName = `users-${randomUUID()}`;
	const { partitionKey, sortKey, indexes } = tableDefinition;
	await client.send(
		new CreateTableCommand({
			TableName: tableName,
			BillingMode: "PAY_PER_REQUEST",
			AttributeDefinitions: [
				partitionKey,
				sortKey,
				indexes.GSI1.partitionKey,
				indexes.GSI1.sortKey,
			].map(({ name }) => ({ AttributeName: name, AttributeType: "S" })),
			KeySchema: keySchema({ partitionKey, sortKey }),
			GlobalSecondaryIndexes: Object.entries(indexes).map(([name, index]) => ({
				IndexName: name,
				KeySchema: keySchema(index),
				Projection: { ProjectionType: "ALL" },
			})),
		}),
	);
	return {
		tableName,
		client,
		close: async () => {
			await client.send(new DeleteTableCommand({ TableName: tableName }));
			client.destroy();
			emulator?.close();
		},
	};
}

const keySchema = (keys: {
	readonly partitionKey: { readonly name: string };
	readonly sortKey: { readonly name: string };
}) => [
	{ AttributeName: keys.partitionKey.name, KeyType: "HASH" as const },
	{ AttributeName: keys.sortKey.name, KeyType: "RANGE" as const },
];
