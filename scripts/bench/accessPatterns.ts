import { randomUUID } from "node:crypto";
import {
	DeleteCommand,
	DynamoDBDocumentClient,
	GetCommand,
	PutCommand,
	QueryCommand,
	UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import { createUsers, type Identity, openTable } from "../../domain";
import { openTestTable } from "../../testing/testTable";
import { type Figure, median, ratio } from "./figure";

const person = (): Identity => {
	const sub = randomUUID();
	return {
		sub,
		username: sub,
		email: `${sub}@example.com`,
		emailVerified: true,
		name: "Ada Lovelace",
	};
};

/** The milliseconds per operation, with so many of them in flight at any time. */
async function timeOf(operation: () => unknown, count: number, inFlight: number) {
	let left = count;
	const begun = performance.now();
	await Promise.all(
		Array.from({ length: inFlight }, async () => {
			while (left-- > 0) await operation();
		}),
	);
	return (performance.now() - begun) / count;
}

/** Measures each access pattern against the bare document client that sends the same request, in turn, round by round. */
export async function accessPatterns({
	warmUpRounds,
	rounds,
	operations,
	onRound,
}: {
	/** Rounds that are not counted: V8 compiles both sides once they are hot. */
	warmUpRounds: number;
	rounds: number;
	operations: number;
	onRound: () => void;
}): Promise<Figure[]> {
	const table = await openTestTable();
	const TableName = table.tableName;
	const users = createUsers(openTable(table));
	const client = DynamoDBDocumentClient.from(table.client);
	const ada = (await users.register(person()))._unsafeUnwrap();
	const keyOf = (sub: string) => ({ PK: `USER#${sub}`, SK: "PROFILE" });

	const patterns = [
		{
			name: "register",
			pattern: () => users.register(person()),
			bare: () => {
				const { sub, ...identity } = person();
				const now = new Date().toISOString();
				const userId = randomUUID();
				return client.send(
					new PutCommand({
						TableName,
						Item: {
							...keyOf(sub),
							GSI1PK: `EMAIL#${identity.email.toLowerCase()}`,
							GSI1SK: `VERIFIED#${now}`,
							GSI2PK: `ID#${userId}`,
							GSI2SK: "USER",
							_et: "User",
							...identity,
							userId,
							identityVersion: 1,
							createdAt: now,
							updatedAt: now,
						},
						ConditionExpression: "attribute_not_exists(#key)",
						ExpressionAttributeNames: { "#key": "PK" },
						ReturnValuesOnConditionCheckFailure: "ALL_OLD",
					}),
				);
			},
		},
		{
			name: "find by sub",
			pattern: () => users.findBySub(ada.sub),
			bare: () =>
				client.send(new GetCommand({ TableName, Key: keyOf(ada.sub), ConsistentRead: true })),
		},
		{
			name: "find by email",
			pattern: () => users.findByEmail(ada.email),
			bare: () =>
				client.send(
					new QueryCommand({
						TableName,
						IndexName: "GSI1",
						KeyConditionExpression: "#email = :email",
						ExpressionAttributeNames: { "#email": "GSI1PK" },
						ExpressionAttributeValues: { ":email": `EMAIL#${ada.email}` },
						ScanIndexForward: false,
						Limit: 1,
					}),
				),
		},
		{
			name: "update",
			pattern: () => users.update(ada.sub, { displayName: "Ada" }),
			bare: () =>
				client.send(
					new UpdateCommand({
						TableName,
						Key: keyOf(ada.sub),
						UpdateExpression: "SET #name = :name, #updated = :now",
						ConditionExpression: "attribute_exists(#key)",
						ExpressionAttributeNames: {
							"#key": "PK",
							"#name": "displayName",
							"#updated": "updatedAt",
						},
						ExpressionAttributeValues: { ":name": "Ada", ":now": new Date().toISOString() },
						ReturnValues: "ALL_NEW",
					}),
				),
		},
		{
			name: "remove",
			pattern: () => users.remove(randomUUID()),
			bare: () => client.send(new DeleteCommand({ TableName, Key: keyOf(randomUUID()) })),
		},
	];

	const samples = [1, 32].flatMap((inFlight) =>
		patterns.map((each) => ({
			...each,
			inFlight,
			times: [] as number[],
			bareTimes: [] as number[],
		})),
	);
	for (let round = -warmUpRounds; round < rounds; round++) {
		for (const { pattern, bare, inFlight, times, bareTimes } of samples) {
			const measure = (operation: () => unknown) => timeOf(operation, operations, inFlight);
			// There and back again: what comes later finds more that is warm, and more garbage.
			const before = await measure(bare);
			const first = await measure(pattern);
			const second = await measure(pattern);
			const after = await measure(bare);
			if (round < 0) continue;
			times.push((first + second) / 2);
			bareTimes.push((before + after) / 2);
		}
		onRound();
	}
	await table.close();

	return samples.flatMap(({ name, inFlight, times, bareTimes }) => {
		const section = `Access patterns, ${inFlight} in flight`;
		const perSecond = (sample: readonly number[], whose: string): Figure => ({
			section,
			name: `${name}, ${whose}`,
			value: 1000 / median(sample),
			unit: "ops/s",
			spread: 0,
		});
		return [
			perSecond(times, "domain"),
			perSecond(bareTimes, "bare document client"),
			ratio(section, `${name}, time against the bare client`, times, bareTimes, 1.1),
		];
	});
}
