import { setTimeout } from "node:timers/promises";
import {
	BatchWriteCommand,
	type BatchWriteCommandInput,
	type BatchWriteCommandOutput,
	type NativeAttributeValue,
	paginateQuery,
} from "@aws-sdk/lib-dynamodb";
import { err, ok, okAsync, type Result, ResultAsync } from "neverthrow";
import type { StoreUnavailable } from "../errors";
import { type SingleTable, tableDefinition, unavailable } from "../table";
import { isIdentityValue } from "./identity";
import { userPartition } from "./keys";

/** An item of any entity, as it lies in the table: keys and attributes by the names that they are stored under. */
export type StoredItem = Readonly<Record<string, NativeAttributeValue>>;

/** The most that BatchWriteItem takes: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html */
const batchSize = 25;

/** How often what DynamoDB leaves unprocessed is sent again, and the pause before the first time, which doubles. */
const attempts = 8;
const firstPause = 50;

/**
 * Reads everything that lies in a person's partition, whatever entity it belongs to: the profile, and what the application has
 * put beside it. It is what an export gives to the person. Strongly consistent, page by page. It never throws.
 *
 * Cost: a Query, 1 read unit for each 4 KB; one round trip for each MB.
 *
 * @returns pages in the order of the sort key; the last is an error if the partition could not be read to its end
 *
 * @example
 * ```ts
 * for await (const page of readPartition(table, sub)) {
 * 	if (page.isErr()) throw new Error(page.error.type);
 * 	for (const item of page.value) console.log(item.SK);
 * }
 * ```
 */
export function readPartition(
	table: SingleTable,
	sub: string,
): AsyncGenerator<Result<readonly StoredItem[], StoreUnavailable>> {
	return pagesOf(table, sub);
}

/**
 * Erases everything that lies in a person's partition, the profile included, whatever entity it belongs to. It may be ended at any
 * point and run again, until it answers 0. What is written meanwhile may stay. It reaches the table alone: what it does not
 * reach is in docs/operations.md. The account is Cognito's; while it is there, a sign-in makes a new profile.
 *
 * Cost: a Query of the partition, and 1 write unit for each KB of an item and of each of its index entries; one round trip for
 * each MB read and for each 25 items erased, one at a time. What DynamoDB leaves unprocessed is sent again, with growing pauses.
 *
 * @returns how many items it has erased; `StoreUnavailable` if some are left
 */
export function erasePartition(
	table: SingleTable,
	sub: string,
): ResultAsync<number, StoreUnavailable> {
	if (!isIdentityValue("sub", sub)) return okAsync(0);
	return new ResultAsync(
		(async () => {
			let erased = 0;
			for await (const page of pagesOf(table, sub, keyNames)) {
				if (page.isErr()) return err(page.error);
				for (let from = 0; from < page.value.length; from += batchSize) {
					const keys = page.value.slice(from, from + batchSize);
					const deleted = await deleteItems(table, keys);
					if (deleted.isErr()) return err(deleted.error);
					erased += keys.length;
				}
			}
			return ok(erased);
		})(),
	);
}

const keyNames = [tableDefinition.partitionKey.name, tableDefinition.sortKey.name];

async function* pagesOf(
	table: SingleTable,
	sub: string,
	attributes?: readonly string[],
): AsyncGenerator<Result<readonly StoredItem[], StoreUnavailable>> {
	if (!isIdentityValue("sub", sub)) return;
	const pages = paginateQuery(
		{ client: table.getDocumentClient() },
		{
			TableName: table.getName(),
			ConsistentRead: true,
			KeyConditionExpression: "#partition = :partition",
			ExpressionAttributeNames: { "#partition": tableDefinition.partitionKey.name },
			ExpressionAttributeValues: { ":partition": userPartition(sub) },
			...(attributes && { ProjectionExpression: attributes.join(", ") }),
		},
	);
	try {
		for await (const { Items = [] } of pages) yield ok(Items);
	} catch (cause) {
		yield err(unavailable(cause));
	}
}

/** Deletes up to 25 items; what DynamoDB leaves unprocessed, it sends again. */
async function deleteItems(
	table: SingleTable,
	keys: readonly StoredItem[],
): Promise<Result<void, StoreUnavailable>> {
	const name = table.getName();
	let requests: BatchWriteCommandInput["RequestItems"] = {
		[name]: keys.map((Key) => ({ DeleteRequest: { Key } })),
	};
	try {
		for (let attempt = 0; attempt < attempts; attempt++) {
			if (attempt > 0) await setTimeout(firstPause * 2 ** (attempt - 1));
			const { UnprocessedItems }: BatchWriteCommandOutput = await table
				.getDocumentClient()
				.send(new BatchWriteCommand({ RequestItems: requests }));
			if (!UnprocessedItems?.[name]?.length) return ok(undefined);
			requests = UnprocessedItems;
		}
		return err({ type: "StoreUnavailable", retryable: true, cause: { name: "UnprocessedItems" } });
	} catch (cause) {
		return err(unavailable(cause));
	}
}
