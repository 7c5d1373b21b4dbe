import { CreateTableCommand, DescribeTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import test from "ava";
import { tableDefinition } from "../../domain/table";
import { tableKeys } from "../../infra/tableKeys";
import { openEndpoint } from "../endpoint";
import { createDynamodb, createTableRequest } from "./dynamodb";

test("an index that is added to the table's definition is in the table", async (t) => {
	const endpoint = await openEndpoint(0);
	t.teardown(endpoint.close);
	endpoint.serve(createDynamodb());
	const client = new DynamoDBClient({
		endpoint: endpoint.url,
		region: "us-east-1",
		credentials: { accessKeyId: "test", secretAccessKey: "test" },
	});
	const byYear = {
		partitionKey: { name: "GSI1PK", type: "string" },
		sortKey: { name: "year", type: "number" },
	} as const;
	const byMaker = { partitionKey: { name: "maker", type: "string" } } as const;
	const indexes = { ...tableDefinition.indexes, byYear, byMaker };
	const keys = tableKeys({ ...tableDefinition, indexes });
	await client.send(new CreateTableCommand(createTableRequest("users", keys)));
	const { Table } = await client.send(new DescribeTableCommand({ TableName: "users" }));
	t.like(
		Table?.GlobalSecondaryIndexes?.find(({ IndexName }) => IndexName === "byYear"),
		{
			KeySchema: [
				{ AttributeName: "GSI1PK", KeyType: "HASH" },
				{ AttributeName: "year", KeyType: "RANGE" },
			],
			Projection: { ProjectionType: "ALL" },
		},
	);
	t.like(
		Table?.GlobalSecondaryIndexes?.find(({ IndexName }) => IndexName === "byMaker"),
		{ KeySchema: [{ AttributeName: "maker", KeyType: "HASH" }] },
		"a sort key is not needed",
	);
	const names = Table?.AttributeDefinitions?.map(({ AttributeName }) => AttributeName);
	t.is(names?.filter((name) => name === "GSI1PK").length, 1, "a shared key is declared once");
	t.true(names?.includes("year"));
});
