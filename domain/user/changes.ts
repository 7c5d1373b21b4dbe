import { isDeepStrictEqual } from "node:util";
import type { Schema } from "dynamodb-toolbox/schema";
import { fromThrowable, ok, type Result } from "neverthrow";
import type { CorruptUser, InvalidEvent } from "../errors";
import {
	type ApplicationFields,
	readFormattedUser,
	readUser,
	type User,
	userAttributes,
} from "./entity";
import { type EventEntry, invalidEvent, parseEntry, toEntry } from "./events";
import type { Identity } from "./identity";
import { storeAttributes } from "./keys";

/** The `detail-type`s of changes: a profile is there, is another, or is gone, whoever wrote it. */
export const changeTypes = ["UserCreated", "UserUpdated", "UserRemoved"] as const;

export type ChangeType = (typeof changeTypes)[number];

/** What tells of a change, if it is another than before: what Cognito and the application own, and the `userId`. */
export type ChangedAttribute = keyof Identity | keyof ApplicationFields | "userId";

interface Change {
	/**
	 * Grows with each change of one user: keep it with what you make of a change, and leave alone what is not greater. Its 40 digits
	 * compare as text, here and in a database; a bigint would not go into JSON, nor into a number of DynamoDB.
	 */
	readonly sequence: string;
	/** The user after the change, as `findBySub` reads it; of one that was removed, as it was. */
	readonly user: User;
}

/** A change of a user's profile, as any subscriber reads it. */
export type UserChange =
	| (Change & { readonly type: "UserCreated" | "UserRemoved" })
	| (Change & { readonly type: "UserUpdated"; readonly changed: readonly ChangedAttribute[] });

/** A record of the table's stream: its number, and the item before and after, as it lies in the table. */
export interface StoredChange {
	readonly sequence: string;
	readonly oldItem?: unknown;
	readonly newItem?: unknown;
}

/** The most that a sequence number has: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html */
const sequenceDigits = 40;

const toSequence = (digits: string) => digits.padStart(sequenceDigits, "0");

/** What can change, and under which name it is stored. */
const watched = Object.entries<Schema>(userAttributes)
	.filter(([name]) => name === "userId" || !Object.hasOwn(storeAttributes, name))
	// Object.entries forgets the names that the registries' types know.
	.map(([name, { props }]) => ({
		name: name as ChangedAttribute,
		storedAs: props.savedAs ?? name,
	}));

/**
 * Says what a record of the table's stream tells of a user. It throws for no input.
 *
 * Attributes are compared as they are stored. So a profile that is repaired is updated like any other, though it did not parse before.
 *
 * @returns `undefined` for an update after which the user is the same; `CorruptUser` if the item after it, or one removed, does
 * not parse
 */
export function toChange({
	sequence: digits,
	oldItem,
	newItem,
}: StoredChange): Result<UserChange | undefined, CorruptUser> {
	return readUser(newItem ?? oldItem).map((user) => {
		const change = { sequence: toSequence(digits), user };
		if (newItem === undefined) return { type: "UserRemoved", ...change };
		if (oldItem === undefined) return { type: "UserCreated", ...change };
		const [before, after] = [Object(oldItem), Object(newItem)];
		const changed = watched
			.filter(({ storedAs }) => !isDeepStrictEqual(before[storedAs], after[storedAs]))
			.map(({ name }) => name);
		return changed.length > 0 ? { type: "UserUpdated", ...change, changed } : undefined;
	});
}

/** Writes a change: `{ version, sequence, user, changed? }`. */
export const toChangeEntry = ({ type, ...change }: UserChange): EventEntry =>
	toEntry(type, change, tag);

/**
 * Reads a change. Use it in whatever subscribes to changes. It throws for no input. Attributes that this version does not know are
 * left out, so that it reads what a newer one has published; then nothing may be left in `changed`.
 *
 * @param input what EventBridge delivers: an object, as Lambda passes it, or JSON text, as a queue does
 * @returns `InvalidEvent` for what is not JSON, of another source, type or version, or holds no user
 */
export function parseChange(input: unknown): Result<UserChange, InvalidEvent> {
	return parseEntry(input, changeTypes).andThen(({ type, detail }) => {
		const { sequence: digits, changed } = detail;
		if (typeof digits !== "string" || !/^\d{1,40}$/.test(digits)) {
			return invalidEvent("detail.sequence", `must be text of 1 to ${sequenceDigits} digits`);
		}
		return readSent(detail.user).andThen<Result<UserChange, InvalidEvent>>((user) => {
			const change = { sequence: toSequence(digits), user };
			if (type !== "UserUpdated") return ok({ type, ...change });
			if (!Array.isArray(changed)) return invalidEvent("detail.changed", "must be a list");
			const names = watched.map(({ name }) => name).filter((name) => changed.includes(name));
			return ok({ type, ...change, changed: names });
		});
	});
}

/** Reads the user in a detail. */
function readSent(user: unknown): Result<User, InvalidEvent> {
	return withoutTags(user)
		.andThen(readFormattedUser)
		.mapErr(({ issues }) => ({
			type: "InvalidEvent",
			issues: issues.map(({ path, message }) => ({
				path: path ? `detail.user.${path}` : "detail.user",
				message,
			})),
		}));
}

/** Writes what DynamoDB has, and JSON has not: `{ "$set": [...] }`, `{ "$binary": "<base64>" }` or `{ "$bigint": "<digits>" }`. */
function tag(_name: string, value: unknown): unknown {
	if (value instanceof Set) return { $set: [...value] };
	if (value instanceof Uint8Array) return { $binary: Buffer.from(value).toString("base64") };
	if (typeof value === "bigint") return { $bigint: String(value) };
	return value;
}

/** Reads back what {@link tag} has written. */
function untagged(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(untagged);
	if (typeof value !== "object" || value === null) return value;
	const entries = Object.entries(value).map(([name, each]) => [name, untagged(each)] as const);
	const [[tag, tagged] = [], ...others] = entries;
	if (others.length === 0) {
		if (tag === "$set" && Array.isArray(tagged)) return new Set(tagged);
		if (tag === "$binary") return new Uint8Array(Buffer.from(String(tagged), "base64"));
		if (tag === "$bigint") return BigInt(String(tagged));
	}
	return Object.fromEntries(entries);
}

const withoutTags = fromThrowable(
	untagged,
	(): CorruptUser => ({ type: "CorruptUser", issues: [{ path: "", message: "cannot be read" }] }),
);
