import { randomUUID } from "node:crypto";
import { CreateTableCommand, DeleteTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { tableDefinition } from "../domain/table";
import { tableKeys } from "../infra/tableKeys";
import { createDynamodb, createTableRequest } from "../local/aws/dynamodb";
import { openEndpoint } from "../local/endpoint";

/** A table of a test file's own. */
export interface TestTable {
	readonly tableName: string;
	readonly client: DynamoDBClient;
	close(): Promise<void>;
}

/**
 * Makes an empty table for a test file: on an endpoint of its own, or on the one that AWS_ENDPOINT_URL_DYNAMODB names,
 * such as AWS's DynamoDB Local.
 */
export async function openTestTable(): Promise<TestTable> {
	const endpoint = process.env.AWS_ENDPOINT_URL_DYNAMODB ? undefined : await openEndpoint(0);
	endpoint?.serve(createDynamodb());
	const client = new DynamoDBClient({
		region: "us-east-1",
		credentials: { accessKeyId: "test", secretAccessKey: "test" },
		...(endpoint && { endpoint: endpoint.url }),
	});
	const tableName = `users-${randomUUID()}`;
	await client.send(
		new CreateTableCommand(createTableRequest(tableName, tableKeys(tableDefinition))),
	);
	return {
		tableName,
		client,
		close: async () => {
			await client.send(new DeleteTableCommand({ TableName: tableName }));
			client.destroy();
			await endpoint?.close();
		},
	};
}
