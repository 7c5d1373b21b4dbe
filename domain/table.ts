import { ConditionalCheckFailedException, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { Table } from "dynamodb-toolbox/table";
import { err, type Result, ResultAsync } from "neverthrow";
import { type CorruptItem, type InvalidItem, isRetryable, type StoreUnavailable } from "./errors";
import { inputIssue, storedIssues } from "./issues";

/**
 * The keys and indexes of the single table, for the Pulumi program, the entities, the tests and the embedded stack alike. To add a
 * global secondary index, add an entry to `indexes`, with or without a sort key, and its keys to the entities that are found by it:
 * to the user as entries of attributes.ts, `savedAs` a key or called as one. The role of who queries it needs `dynamodb:Query` on its ARN.
 */
export const tableDefinition = {
	partitionKey: { name: "PK", type: "string" },
	sortKey: { name: "SK", type: "string" },
	indexes: {
		GSI1: {
			type: "global",
			partitionKey: { name: "GSI1PK", type: "string" },
			sortKey: { name: "GSI1SK", type: "string" },
		},
		GSI2: {
			type: "global",
			partitionKey: { name: "GSI2PK", type: "string" },
			sortKey: { name: "GSI2SK", type: "string" },
		},
	},
} as const;

/** The single table, opened: what every entity lies in. */
export type SingleTable = ReturnType<typeof openTable>;

/**
 * Opens the single table for the entities. Do it once, at start, and not per request: its client keeps its connections.
 *
 * @param options.tableName the stack's output `tableName`
 * @param options.client a client to share; without it, one is made that takes region and credentials from the environment
 *
 * @example
 * ```ts
 * const table = openTable({ tableName: "users-1a2b3c4" });
 * const users = createUsers(table);
 * ```
 */
export function openTable({
	tableName,
	client = new DynamoDBClient(),
}: {
	readonly tableName: string;
	readonly client?: DynamoDBClient;
}) {
	const documentClient = DynamoDBDocumentClient.from(client);
	return new Table({ ...tableDefinition, name: tableName, documentClient });
}

/**
 * Makes what runs the requests of an entity, so that none of its access patterns throws. It costs no round trip of its own.
 *
 * - `request` turns whatever is thrown into `Corrupt<Entity>`, if the entity cannot read a stored item, or `StoreUnavailable`.
 * - `write` does the same, and turns an input that the entity's schema refuses into `Invalid<Entity>`.
 *
 * @param entity a dynamodb-toolbox entity, or what has the name of one
 *
 * @example
 * ```ts
 * const { request, write } = requestsOf(orderEntity); // CorruptOrder, InvalidOrder
 * const place = (order: Order) =>
 * 	write(async () => {
 * 		await orderEntity.build(PutItemCommand).item(order).send();
 * 		return ok(order);
 * 	});
 * ```
 */
export function requestsOf<Name extends string>({ entityName }: { readonly entityName: Name }) {
	const request = <T, E>(
		run: () => PromiseLike<Result<T, E>>,
	): ResultAsync<T, E | CorruptItem<Name> | StoreUnavailable> =>
		new ResultAsync<T, E | CorruptItem<Name> | StoreUnavailable>(
			(async () => {
				try {
					return await run();
				} catch (cause) {
					const issues = storedIssues(cause);
					return err(issues ? { type: `Corrupt${entityName}`, issues } : unavailable(cause));
				}
			})(),
		);

	const write = <T, E>(
		run: () => PromiseLike<Result<T, E>>,
	): ResultAsync<T, E | InvalidItem<Name> | CorruptItem<Name> | StoreUnavailable> =>
		request<T, E | InvalidItem<Name>>(async () => {
			try {
				return await run();
			} catch (cause) {
				const issue = inputIssue(cause);
				if (!issue) throw cause;
				return err({ type: `Invalid${entityName}`, issues: [issue] });
			}
		});

	return { request, write };
}

/** What a conditional write was refused with, which holds the item in the way; anything else is thrown again. */
export function conditionFailed(cause: unknown): ConditionalCheckFailedException {
	if (cause instanceof ConditionalCheckFailedException) return cause;
	throw cause;
}

/** What a client of DynamoDB threw, as an error of the domain. */
export const unavailable = (cause: unknown): StoreUnavailable => ({
	type: "StoreUnavailable",
	retryable: isRetryable(cause),
	cause,
});
