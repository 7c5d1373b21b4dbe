import { randomUUID } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, PutCommand } from "@aws-sdk/lib-dynamodb";
import test from "ava";
import { openTestTable } from "../../testing/testTable";
import {
	createUsers,
	erasePartition,
	openTable,
	readPartition,
	type SingleTable,
	type Users,
} from "../index";
import { userPartition } from "./keys";

let testTable: Awaited<ReturnType<typeof openTestTable>>;
let table: SingleTable;
let users: Users;
test.before(async () => {
	testTable = await openTestTable();
	table = openTable(testTable);
	users = createUsers(table);
});
test.after.always(() => testTable.close());

/** A registered user with so many items of another kind, of more than a MB together where they are a thousand. */
async function userWith(count: number): Promise<string> {
	const sub = randomUUID();
	const identity = { sub, username: sub, email: `${sub}@example.com`, emailVerified: true };
	(await users.register(identity))._unsafeUnwrap();
	const client = DynamoDBDocumentClient.from(testTable.client);
	const put = (index: number) =>
		client.send(
			new PutCommand({
				TableName: testTable.tableName,
				Item: { PK: userPartition(sub), SK: `ORDER#${index}`, note: "x".repeat(1_500) },
			}),
		);
	for (let from = 0; from < count; from += 100) {
		await Promise.all(Array.from({ length: Math.min(100, count - from) }, (_, i) => put(from + i)));
	}
	return sub;
}

/** The table by a client of its own, whose middleware a test may change. */
function ownTable() {
	const { endpoint, region, credentials } = testTable.client.config;
	const client = new DynamoDBClient({ region, credentials, ...(endpoint && { endpoint }) });
	return { client, table: openTable({ tableName: testTable.tableName, client }) };
}

async function sortKeys(of: string): Promise<string[]> {
	const found: string[] = [];
	for await (const page of readPartition(table, of)) {
		found.push(...page._unsafeUnwrap().map(({ SK }) => String(SK)));
	}
	return found;
}

test("everything of a person is read, and erased, a thousand items of another kind included, and nothing of anybody else", async (t) => {
	const [sub, other] = [await userWith(1_000), await userWith(3)];
	const all = await sortKeys(sub);
	t.is(all.length, 1_001);
	t.is(new Set(all).size, 1_001);
	t.true(all.includes("PROFILE") && all.includes("ORDER#999"));

	t.is((await erasePartition(table, sub))._unsafeUnwrap(), 1_001);
	t.deepEqual(await sortKeys(sub), []);
	t.is((await users.findBySub(sub))._unsafeUnwrapErr().type, "UserNotFound");
	t.is((await users.findByEmail(`${sub}@example.com`))._unsafeUnwrapErr().type, "UserNotFound");
	t.is((await sortKeys(other)).length, 4);
	t.is((await erasePartition(table, sub))._unsafeUnwrap(), 0, "it may be run again");
});

test("an erasure that is broken off is finished by the next", async (t) => {
	const sub = await userWith(60);
	let writes = 0;
	const { client, table: failing } = ownTable();
	client.middlewareStack.add(
		(next) => async (request) => {
			if ("RequestItems" in request.input && ++writes > 1) {
				throw Object.assign(new Error("no luck"), {
					name: "ProvisionedThroughputExceededException",
				});
			}
			return next(request);
		},
		{ step: "initialize" },
	);
	t.like((await erasePartition(failing, sub))._unsafeUnwrapErr(), {
		type: "StoreUnavailable",
		retryable: true,
	});
	t.is((await sortKeys(sub)).length, 61 - 25);
	t.is((await erasePartition(table, sub))._unsafeUnwrap(), 61 - 25);
	t.deepEqual(await sortKeys(sub), []);
});

test("what DynamoDB leaves unprocessed is sent again", async (t) => {
	const sub = await userWith(9);
	const { client, table: partial } = ownTable();
	client.middlewareStack.add(
		(next) => async (request) => {
			// DynamoDB does part of a batch when it is throttled, and answers the rest.
			const { RequestItems } = Object(request.input);
			if (!RequestItems) return next(request);
			const [[name = "", requests = []] = []] = Object.entries<unknown[]>(RequestItems);
			const half = Math.ceil(requests.length / 2);
			const [done, rest] = [requests.slice(0, half), requests.slice(half)];
			const input = { ...request.input, RequestItems: { [name]: done } };
			const result = await next({ ...request, input });
			if (rest.length > 0)
				Object.assign(Object(result.output), { UnprocessedItems: { [name]: rest } });
			return result;
		},
		{ step: "initialize", priority: "low" },
	);
	t.is((await erasePartition(partial, sub))._unsafeUnwrap(), 10);
	t.deepEqual(await sortKeys(sub), []);
});

test("nobody's partition is empty", async (t) => {
	for (const sub of [randomUUID(), "", "a b", "\ud800"]) {
		t.deepEqual(await sortKeys(sub), []);
		t.is((await erasePartition(table, sub))._unsafeUnwrap(), 0);
	}
});
