import { randomUUID } from "node:crypto";
import {
	type ConditionalCheckFailedException,
	DynamoDBServiceException,
} from "@aws-sdk/client-dynamodb";
import {
	DeleteCommand,
	GetCommand,
	PutCommand,
	QueryCommand,
	UpdateCommand,
	type UpdateCommandInput,
} from "@aws-sdk/lib-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { $remove } from "dynamodb-toolbox/entity/actions/update/symbols";
import type { InputValue, Schema } from "dynamodb-toolbox/schema";
import { Parser } from "dynamodb-toolbox/schema/actions/parse";
import { err, errAsync, ok, okAsync, type Result, ResultAsync } from "neverthrow";
import type {
	ConcurrentUpdate,
	CorruptUser,
	InvalidIdentity,
	InvalidUpdate,
	Issue,
	StoreUnavailable,
	UserAlreadyExists,
	UserNotFound,
} from "../errors";
import { inputIssue } from "../issues";
import { writerOf } from "../itemWriter";
import {
	conditionFailed,
	requestsOf,
	type SingleTable,
	tableDefinition,
	unavailable,
} from "../table";
import { applicationAttributes } from "./attributes";
import { readUser, type User, userSchema } from "./entity";
import { type Identity, identityNames, isIdentityValue, isUuid, parseIdentity } from "./identity";
import { claimedSince, emailClaim, emailPartition, profileKey, userIdPartition } from "./keys";

/** A change of what the application owns: a value sets the field, `null` removes it, and what is left out stays as it is. */
export type UserUpdate = {
	// What has a default inside may be left out.
	readonly [Name in keyof typeof applicationAttributes]?:
		| InputValue<(typeof applicationAttributes)[Name]>
		| null
		| undefined;
};

/**
 * The access patterns of the User entity. Each is one round trip, whatever the size of the table, and never throws. Costs are for
 * profiles of up to 1 KB written and 4 KB read, and as much again for each KB or 4 KB more.
 */
export interface Users {
	/**
	 * Stores a new profile, unless its `sub` has one. May be repeated: the first `userId` stays.
	 *
	 * Cost: 1 PutItem, 3 write units (table and two indexes); when there is a profile already, 1 write unit.
	 *
	 * @param userId the userId of a lost profile, which no other profile may have; by default a new one
	 * @returns the profile made; `UserAlreadyExists` carries the one that was there
	 */
	register(
		identity: Identity,
		userId?: string,
	): ResultAsync<User, InvalidIdentity | UserAlreadyExists<User> | CorruptUser | StoreUnavailable>;

	/**
	 * Finds a profile by its Cognito subject. Strongly consistent: it sees every write that has been answered.
	 *
	 * Cost: 1 GetItem, 1 read unit.
	 */
	findBySub(sub: string): ResultAsync<User, UserNotFound | CorruptUser | StoreUnavailable>;

	/**
	 * Finds the profile that holds an email, in whatever case it is written. Where several claim it, a verified claim goes before
	 * every unverified one, and among equals the newest; check `emailVerified` where a claim is not enough. Eventually consistent:
	 * a write shows after some milliseconds.
	 *
	 * Cost: 1 Query of GSI1, 0.5 read units.
	 */
	findByEmail(email: string): ResultAsync<User, UserNotFound | CorruptUser | StoreUnavailable>;

	/**
	 * Finds a profile by the application's own id, which a token carries as `custom:userId`. Eventually consistent, as above.
	 *
	 * Cost: 1 Query of GSI2, 0.5 read units.
	 */
	findByUserId(userId: string): ResultAsync<User, UserNotFound | CorruptUser | StoreUnavailable>;

	/**
	 * Changes what the application owns; the identity is Cognito's, and does not compile here.
	 *
	 * Cost: 1 UpdateItem, 3 write units (table and two indexes).
	 *
	 * @returns the whole profile after the change
	 */
	update(
		sub: string,
		update: UserUpdate,
	): ResultAsync<User, InvalidUpdate | UserNotFound | CorruptUser | StoreUnavailable>;

	/**
	 * Replaces the identity of a stored profile by what Cognito says now, unless the profile's identity was written, or the
	 * profile removed, since `user` was read: then `ConcurrentUpdate`. What the application owns stays as it is. The identity
	 * must be of the same `sub`.
	 *
	 * Cost: 1 UpdateItem, 3 write units (table and two indexes), 4 when the email or its verification changes.
	 */
	replaceIdentity(
		user: User,
		identity: Identity,
	): ResultAsync<User, InvalidIdentity | ConcurrentUpdate | CorruptUser | StoreUnavailable>;

	/**
	 * Removes a profile, and nothing else of the person; see `erasePartition`. May be repeated: removing a profile that is not there is no error.
	 *
	 * Cost: 1 DeleteItem, 3 write units (table and two indexes).
	 */
	remove(sub: string): ResultAsync<void, StoreUnavailable>;
}

/**
 * Makes the access patterns of the users in a table. Do it once, at start, and not per request.
 *
 * @example
 * ```ts
 * const users = createUsers(openTable({ tableName: "users-1a2b3c4" }));
 * const user = await users.findByEmail("Ada@Example.com");
 * if (user.isOk()) console.log(user.value.userId);
 * ```
 */
export function createUsers(table: SingleTable): Users {
	const { request } = requestsOf({ entityName: "User" });
	const client = table.getDocumentClient();
	const TableName = table.getName();

	const findBySub: Users["findBySub"] = (sub) =>
		isIdentityValue("sub", sub)
			? request(async () => {
					const { Item } = await client.send(
						new GetCommand({ TableName, Key: profileKey(sub), ConsistentRead: true }),
					);
					return found(Item);
				})
			: errAsync(userNotFound);

	/** The last item of an index partition. */
	const findLast = (IndexName: keyof typeof tableDefinition.indexes, partition: string) =>
		request(async () => {
			const { Items: [item] = [] } = await client.send(
				new QueryCommand({
					TableName,
					IndexName,
					KeyConditionExpression: "#partition = :partition",
					ExpressionAttributeNames: {
						"#partition": tableDefinition.indexes[IndexName].partitionKey.name,
					},
					ExpressionAttributeValues: { ":partition": partition },
					ScanIndexForward: false,
					Limit: 1,
				}),
			);
			return found(item);
		});

	const findByEmail: Users["findByEmail"] = (email) =>
		isIdentityValue("email", email)
			? findLast("GSI1", emailPartition(email))
			: errAsync(userNotFound);

	const findByUserId: Users["findByUserId"] = (userId) =>
		isUuid(userId) ? findLast("GSI2", userIdPartition(userId)) : errAsync(userNotFound);

	const register: Users["register"] = (input, userId = randomUUID()) =>
		parseIdentity(input).asyncAndThen((identity) => {
			const now = new Date().toISOString();
			const user: User = {
				...identity,
				userId,
				createdAt: now,
				updatedAt: now,
				identityVersion: 1,
				emailClaim: emailClaim(identity.emailVerified, now),
			};
			return request(async () => {
				try {
					const Item = userWriter.toItem({ ...user, ...indexPartitions(user) });
					await client.send(
						new PutCommand({
							TableName,
							Item,
							ConditionExpression: "attribute_not_exists(#key)",
							ExpressionAttributeNames: { "#key": tableDefinition.partitionKey.name },
							ReturnValuesOnConditionCheckFailure: "ALL_OLD",
						}),
					);
					// With the defaults of what the application has added.
					return readUser(Item);
				} catch (cause) {
					const existing = await findExisting(user.sub, conditionFailed(cause));
					if (existing.isOk()) {
						return err({ type: "UserAlreadyExists" as const, user: existing.value });
					}
					// Removed since: its place is free again.
					if (existing.error.type === "UserNotFound") return register(input, userId);
					return err(existing.error);
				}
			});
		});

	/** The profile in the way of a put: from the answer, or where the endpoint leaves it out, by a consistent read. */
	const findExisting = (sub: string, { Item }: ConditionalCheckFailedException) =>
		Item === undefined ? findBySub(sub) : request(async () => readUser(unmarshall(Item)));

	/** One conditional UpdateItem; what the item may hold is checked before. */
	const change = <E>(
		fields: Record<string, unknown>,
		condition: Condition,
		otherwise: E,
		updatedAt = new Date().toISOString(),
	): ResultAsync<User, E | CorruptUser | StoreUnavailable> =>
		request<User, E | CorruptUser>(async () => {
			try {
				const update = userWriter.toUpdate({ ...fields, updatedAt });
				const { Attributes } = await client.send(
					new UpdateCommand({
						TableName,
						...update,
						...condition,
						ExpressionAttributeNames: {
							...update.ExpressionAttributeNames,
							...condition.ExpressionAttributeNames,
						},
						ExpressionAttributeValues: {
							...update.ExpressionAttributeValues,
							...condition.ExpressionAttributeValues,
						},
						ReturnValues: "ALL_NEW",
					}),
				);
				return Attributes === undefined ? err(otherwise) : readUser(Attributes);
			} catch (cause) {
				conditionFailed(cause);
				return err(otherwise);
			}
		});

	const update: Users["update"] = (sub, fields) =>
		isIdentityValue("sub", sub)
			? parseUpdate(fields).asyncAndThen((changes) =>
					change({ sub, ...changes }, exists, userNotFound).mapErr((error) =>
						error.type === "StoreUnavailable" && isOfItemSize(error.cause) ? tooLarge : error,
					),
				)
			: errAsync(userNotFound);

	const replaceIdentity: Users["replaceIdentity"] = (user, input) =>
		parseIdentity(input)
			.andThen((identity) => (identity.sub === user.sub ? ok(identity) : err(anotherUsers)))
			.asyncAndThen((identity) => {
				const keepsClaim =
					emailPartition(identity.email) === emailPartition(user.email) &&
					identity.emailVerified === user.emailVerified;
				const now = new Date().toISOString();
				const since = keepsClaim ? claimedSince(user.emailClaim) : now;
				const attributes = identityNames.map((name) => [name, identity[name] ?? $remove()]);
				return change(
					{
						...Object.fromEntries(attributes),
						...indexPartitions({ ...identity, userId: user.userId }),
						emailClaim: emailClaim(identity.emailVerified, since),
						identityVersion: user.identityVersion + 1,
					},
					{
						ConditionExpression: "#version = :version",
						ExpressionAttributeNames: { "#version": "identityVersion" },
						ExpressionAttributeValues: { ":version": user.identityVersion },
					},
					concurrentUpdate,
					now,
				);
			});

	const remove: Users["remove"] = (sub) =>
		isIdentityValue("sub", sub)
			? ResultAsync.fromPromise(
					client.send(new DeleteCommand({ TableName, Key: profileKey(sub) })),
					unavailable,
				).map(() => undefined)
			: okAsync(undefined);

	return { register, findBySub, findByEmail, findByUserId, update, replaceIdentity, remove };
}

type Condition = Pick<
	UpdateCommandInput,
	"ConditionExpression" | "ExpressionAttributeNames" | "ExpressionAttributeValues"
>;

const exists: Condition = {
	ConditionExpression: "attribute_exists(#key)",
	ExpressionAttributeNames: { "#key": tableDefinition.partitionKey.name },
};

const userWriter = writerOf(userSchema);

const found = (item: unknown): Result<User, UserNotFound | CorruptUser> =>
	item === undefined ? err(userNotFound) : readUser(item);

const userNotFound: UserNotFound = { type: "UserNotFound" };
const concurrentUpdate: ConcurrentUpdate = { type: "ConcurrentUpdate" };
const anotherUsers: InvalidIdentity = {
	type: "InvalidIdentity",
	issues: [{ path: "sub", message: "is another user's" }],
};

const tooLarge: InvalidUpdate = {
	type: "InvalidUpdate",
	issues: [{ path: "", message: "makes the profile larger than the 400 KB of a DynamoDB item" }],
};

/** DynamoDB names this reason in its message alone. */
const isOfItemSize = (cause: unknown) =>
	cause instanceof DynamoDBServiceException &&
	cause.name === "ValidationException" &&
	/^Item size\b.*\bexceeded\b/.test(cause.message);

const indexPartitions = ({ email, userId }: Pick<User, "email" | "userId">) => ({
	GSI1PK: emailPartition(email),
	GSI2PK: userIdPartition(userId),
	GSI2SK: "USER" as const,
});

const applicationParsers: ReadonlyMap<string, Parser<Schema>> = new Map(
	Object.entries<Schema>(applicationAttributes).map(([name, schema]) => [name, new Parser(schema)]),
);

/** Checks an update field by field, against the application's own schemas. */
function parseUpdate(update: unknown): Result<Record<string, unknown>, InvalidUpdate> {
	if (typeof update !== "object" || update === null || Array.isArray(update)) {
		return err({ type: "InvalidUpdate", issues: [{ path: "", message: "must be an object" }] });
	}
	const changes: Record<string, unknown> = {};
	const issues: Issue[] = [];
	for (const [name, value] of Object.entries(update)) {
		const parser = applicationParsers.get(name);
		if (parser === undefined) {
			issues.push({ path: name.slice(0, 100), message: "is not the application's to change" });
		} else if (value !== undefined) {
			const parsed = value === null ? ok($remove()) : parseField(parser, value);
			if (parsed.isOk()) changes[name] = parsed.value;
			else issues.push(within(name, parsed.error));
		}
	}
	return issues.length === 0 ? ok(changes) : err({ type: "InvalidUpdate", issues });
}

/** With what the value leaves to a default; the writer transforms it. */
function parseField(parser: Parser<Schema>, value: unknown): Result<unknown, Issue> {
	let field: unknown;
	let stored: unknown;
	try {
		field = parser.parse(value, { transform: false });
		// What it may not be in an update alone.
		stored = parser.parse(field, { mode: "update" });
	} catch (error) {
		return err(inputIssue(error) ?? { path: "", message: "is not valid" });
	}
	try {
		marshall({ stored });
	} catch {
		// The schemas take more than the client does: an empty set, an infinite number, in any() a Date.
		return err({ path: "", message: "holds what DynamoDB cannot store" });
	}
	return ok(field);
}

/** What is wrong with a part of a value, as seen from the value as a whole. */
const within = (name: string, issue: Issue): Issue => ({
	...issue,
	path: [name, issue.path].join(issue.path && !issue.path.startsWith("[") ? "." : ""),
});
