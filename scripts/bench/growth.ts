import { BatchWriteCommand, DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { createUsers, openTable } from "../../domain";
import { emailPartition, profileKey } from "../../domain/user/keys";
import { openTestTable } from "../../testing/testTable";
import { type Figure, ratio, time } from "./figure";

const batch = 25;

const subOf = (index: number) => `sub-${index}`;
const emailOf = (index: number) => `person-${index}@example.com`;

/** Measures the two lookups in tables of different sizes, in turn, round by round. */
export async function growth({
	sizes,
	rounds,
	onTable,
}: {
	sizes: readonly [number, ...number[]];
	rounds: number;
	onTable: () => void;
}): Promise<Figure[]> {
	const tables = await Promise.all(
		sizes.map(async (size) => {
			const table = await openTestTable();
			return {
				size,
				table,
				users: createUsers(openTable(table)),
				bySub: [] as number[],
				byEmail: [] as number[],
			};
		}),
	);
	for (const { size, table } of tables) {
		const client = DynamoDBDocumentClient.from(table.client);
		for (let from = 0; from < size; from += batch) {
			const requests = Array.from({ length: Math.min(batch, size - from) }, (_, offset) => ({
				PutRequest: { Item: itemOf(from + offset) },
			}));
			await client.send(new BatchWriteCommand({ RequestItems: { [table.tableName]: requests } }));
		}
		onTable();
	}
	for (let round = 0; round < rounds; round++) {
		for (const { size, users, bySub, byEmail } of tables) {
			const index = Math.floor(Math.random() * size);
			bySub.push(await timeOf(() => users.findBySub(subOf(index))));
			byEmail.push(await timeOf(() => users.findByEmail(emailOf(index))));
		}
	}
	for (const { table } of tables) await table.close();

	const section = "Growth";
	const [smallest, ...larger] = tables;
	if (!smallest) return [];
	const profiles = (size: number) => `${size.toLocaleString("en")} profiles`;
	return [
		...tables.flatMap(({ size, bySub, byEmail }) => [
			time(section, `find by sub, ${profiles(size)}`, bySub),
			time(section, `find by email, ${profiles(size)}`, byEmail),
		]),
		...larger.flatMap(({ size, bySub, byEmail }) => {
			const against = `${profiles(size)} against ${smallest.size.toLocaleString("en")}`;
			return [
				ratio(section, `find by sub, ${against}`, bySub, smallest.bySub, 1.2),
				ratio(section, `find by email, ${against}`, byEmail, smallest.byEmail, 1.2),
			];
		}),
	];
}

async function timeOf(operation: () => unknown): Promise<number> {
	const begun = performance.now();
	await operation();
	return performance.now() - begun;
}

function itemOf(index: number) {
	const now = new Date(index).toISOString();
	return {
		...profileKey(subOf(index)),
		GSI1PK: emailPartition(emailOf(index)),
		GSI1SK: now,
		_et: "User",
		username: subOf(index),
		email: emailOf(index),
		emailVerified: true,
		userId: subOf(index),
		identityVersion: 1,
		createdAt: now,
		updatedAt: now,
	};
}
