import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import test from "ava";
import fc from "fast-check";
import { openTestTable, type TestTable } from "../../testing/testTable";
import {
	changeTypes,
	createUsers,
	eventSource,
	type Identity,
	openTable,
	parseChange,
	parseEvent,
	type User,
	type UserChange,
	type Users,
} from "..";
import { toChange, toChangeEntry } from "./changes";
import { userAttributes } from "./entity";
import { type EventEntry, toEventEntry } from "./events";
import { profileKey } from "./keys";

let table: TestTable;
let users: Users;
test.before(async () => {
	table = await openTestTable();
	users = createUsers(openTable(table));
});
test.after.always(() => table.close());

const sequence = "100000000003498069978";
const padded = sequence.padStart(40, "0");

const ada: Identity = {
	sub: "ada",
	username: "ada",
	email: "ada@example.com",
	emailVerified: true,
	name: "Ada",
};

type Item = Record<string, unknown>;

/** What lies in the table of somebody. */
async function itemOf(sub: string): Promise<Item> {
	const { Item } = await DynamoDBDocumentClient.from(table.client).send(
		new GetCommand({ TableName: table.tableName, Key: profileKey(sub), ConsistentRead: true }),
	);
	return Item ?? {};
}

/** A user of the test's own, and the item that holds it. */
async function registered(sub: string, identity: Partial<Identity> = {}) {
	const user = (await users.register({ ...ada, ...identity, sub }))._unsafeUnwrap();
	return { user, item: await itemOf(sub) };
}

/** As EventBridge delivers what was published. */
const delivered = ({ source, detailType, detail }: EventEntry) => ({
	version: "0",
	source,
	"detail-type": detailType,
	detail: JSON.parse(detail),
});

const read = (change: UserChange) => parseChange(delivered(toChangeEntry(change)));

test("a profile that is made, changed and removed is told of as findBySub reads it", async (t) => {
	const sub = "told";
	const { user, item } = await registered(sub);
	const created = toChange({ sequence, newItem: item })._unsafeUnwrap();
	t.deepEqual(created, { type: "UserCreated", sequence: padded, user });

	const updated = (await users.update(sub, { displayName: "Countess" }))._unsafeUnwrap();
	const after = await itemOf(sub);
	t.deepEqual(toChange({ sequence, oldItem: item, newItem: after })._unsafeUnwrap(), {
		type: "UserUpdated",
		sequence: padded,
		user: (await users.findBySub(sub))._unsafeUnwrap(),
		changed: ["displayName"],
	});

	const removed = toChange({ sequence, oldItem: after })._unsafeUnwrap();
	t.deepEqual(removed, { type: "UserRemoved", sequence: padded, user: updated });
});

test("exactly what has changed is named", async (t) => {
	const sub = "named";
	const { user, item } = await registered(sub);
	const { name, ...identity } = { ...ada, sub, email: "countess@example.com", givenName: "Ada" };
	(await users.replaceIdentity(user, identity))._unsafeUnwrap();
	const change = toChange({ sequence, oldItem: item, newItem: await itemOf(sub) })._unsafeUnwrap();
	t.like(change, { type: "UserUpdated", changed: ["email", "name", "givenName"] });
});

test("another userId is a change", async (t) => {
	const { item } = await registered("anotherId");
	const oldItem = { ...item, userId: "another" };
	const change = toChange({ sequence, oldItem, newItem: item })._unsafeUnwrap();
	t.like(change, { type: "UserUpdated", changed: ["userId"] });
});

test("an update after which the user is the same says nothing", async (t) => {
	const sub = "same";
	const { user, item } = await registered(sub);
	(await users.replaceIdentity(user, { ...ada, sub }))._unsafeUnwrap();
	const newItem = await itemOf(sub);
	t.notDeepEqual(newItem, item, "it was written again");
	t.is(toChange({ sequence, oldItem: item, newItem })._unsafeUnwrap(), undefined);
	const more = { ...newItem, ofTheFuture: 1 };
	t.is(toChange({ sequence, oldItem: newItem, newItem: more })._unsafeUnwrap(), undefined);
});

test("an item that does not parse is CorruptUser, whether it was made, changed or removed", async (t) => {
	const { item } = await registered("corrupt");
	const { email, ...corrupt } = item;
	for (const record of [
		{ newItem: corrupt },
		{ oldItem: item, newItem: corrupt },
		{ oldItem: corrupt },
	]) {
		t.deepEqual(toChange({ sequence, ...record })._unsafeUnwrapErr(), {
			type: "CorruptUser",
			issues: [{ path: "email", message: "is missing" }],
		});
	}
	t.is(toChange({ sequence })._unsafeUnwrapErr().type, "CorruptUser", "nor does nothing at all");
});

test("a profile that is repaired is updated, and what was wrong is named", async (t) => {
	const { user, item } = await registered("repaired");
	const oldItem = { ...item, email: undefined, displayName: 5 };
	t.deepEqual(toChange({ sequence, oldItem, newItem: item })._unsafeUnwrap(), {
		type: "UserUpdated",
		sequence: padded,
		user,
		changed: ["email", "displayName"],
	});
});

test("of two changes the later has the greater sequence, as text", (t) => {
	const digits = fc.bigInt({ min: 0n, max: 10n ** 40n - 1n });

	const numbered = (number: bigint) =>
		toChange({ sequence: String(number), newItem: storedItem })._unsafeUnwrap()?.sequence ?? "";
	fc.assert(
		fc.property(digits, digits, (one, other) => numbered(one) < numbered(other) === one < other),
	);
	t.pass();
});

const time = "2026-11-21T02:59:46.000Z";
const storedItem: Item = {
	...profileKey("ada"),
	...ada,
	sub: undefined,
	GSI1PK: "EMAIL#ada@example.com",
	GSI1SK: `VERIFIED#${time}`,
	_et: "User",
	userId: "15cf2468-7f4c-49ea-8e9b-08807f79d921",
	identityVersion: 1,
	createdAt: time,
	updatedAt: time,
};
const user: User = toChange({ sequence, newItem: storedItem })._unsafeUnwrap()?.user ?? never();

function never(): never {
	throw new Error("The stored item does not parse.");
}

/** Text with what JSON and keys have to escape, and is well-formed, as all that is stored. */
const text = fc
	.string({ unit: "binary" })
	.map((value) => value.toWellFormed())
	.filter((value) => value.length > 0);
const anyUser = fc
	.record(
		{ name: text, givenName: text, displayName: text, email: text, emailVerified: fc.boolean() },
		{ requiredKeys: [] },
	)
	.map((some): User => ({ ...user, ...some }));
const anyChange = fc
	.tuple(
		fc.constantFrom(...changeTypes),
		anyUser,
		fc.subarray(["email", "name", "userId"] as const),
	)
	.map(([type, user, changed]): UserChange => {
		const change = { sequence: padded, user };
		return type === "UserUpdated" ? { type, ...change, changed } : { type, ...change };
	});

test("a subscriber reads what was published, as an object and as text", (t) => {
	fc.assert(
		fc.property(anyChange, (change) => {
			const event = delivered(toChangeEntry(change));
			t.deepEqual(parseChange(event)._unsafeUnwrap(), change);
			t.deepEqual(parseChange(JSON.stringify(event))._unsafeUnwrap(), change);
		}),
	);
});

test("a change is read as newer code writes it, without what this does not know", (t) => {
	const event = delivered(
		toChangeEntry({ type: "UserUpdated", sequence: padded, user, changed: ["name"] }),
	);
	const { detail } = event;
	const newer = {
		...event,
		detail: {
			...detail,
			alsoNew: true,
			user: { ...detail.user, ofTheFuture: { seats: 5 } },
			changed: ["ofTheFuture", ...detail.changed],
		},
	};
	t.deepEqual(parseChange(newer), parseChange(event));
	const unknownAlone = { ...newer, detail: { ...newer.detail, changed: ["ofTheFuture"] } };
	t.like(parseChange(unknownAlone)._unsafeUnwrap(), { type: "UserUpdated", changed: [] });
});

test("a change is read as older code wrote it, before an attribute existed", (t) => {
	const older = {
		source: "user-profiles",
		"detail-type": "UserUpdated",
		detail: {
			version: 1,
			sequence: "0000000000000000000100000000003498069978",
			user: {
				sub: "1",
				username: "1",
				email: "Ada@Example.com",
				emailVerified: true,
				userId: "15cf2468-7f4c-49ea-8e9b-08807f79d921",
				identityVersion: 2,
				emailClaim: `VERIFIED#${time}`,
				createdAt: time,
				updatedAt: time,
			},
			changed: ["email"],
		},
	};
	const { sequence, user, changed } = older.detail;
	t.deepEqual(parseChange(older)._unsafeUnwrap() as object, {
		type: "UserUpdated",
		sequence,
		user,
		changed,
	});
});

const event = delivered(toChangeEntry({ type: "UserCreated", sequence: padded, user }));
const withDetail = (detail: object) => ({ ...event, detail: { ...event.detail, ...detail } });
for (const [what, input, path] of [
	["not JSON", "{", ""],
	["null", null, ""],
	["of another source", { ...event, source: "aws.s3" }, "source"],
	["of another type", { ...event, "detail-type": "UserConfirmed" }, "detail-type"],
	["of another version", withDetail({ version: 2 }), "detail.version"],
	["without a sequence", withDetail({ sequence: 5 }), "detail.sequence"],
	["with a sequence of no digits", withDetail({ sequence: "5\n" }), "detail.sequence"],
	["without a user", withDetail({ user: undefined }), "detail.user"],
	["of a user without an email", withDetail({ user: { ...user, email: 5 } }), "detail.user.email"],
	["an update of nothing", { ...event, "detail-type": "UserUpdated" }, "detail.changed"],
] as const) {
	test(`a change that is ${what} is InvalidEvent, and says where`, (t) => {
		const error = parseChange(input)._unsafeUnwrapErr();
		t.is(error.type, "InvalidEvent");
		t.deepEqual(
			error.issues.map((issue) => issue.path),
			[path],
		);
	});
}

test("neither kind of event is taken for the other", (t) => {
	const { userId, ...identity } = user;
	const confirmed = toEventEntry({ type: "UserConfirmed", account: { identity, userId } });
	t.true(parseEvent(delivered(confirmed)).isOk());
	t.is(parseChange(delivered(confirmed))._unsafeUnwrapErr().type, "InvalidEvent");
	t.is(parseEvent(event)._unsafeUnwrapErr().type, "InvalidEvent");
});

const anything = fc.oneof(
	fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true }),
	fc.anything({ withSet: true, withTypedArray: true, maxDepth: 4 }),
	fc.dictionary(fc.constantFrom(...Object.keys(userAttributes), "PK", "__proto__"), fc.anything()),
);

test("no item makes a change throw", (t) => {
	const seen = { told: 0 };
	const item = fc.oneof(
		anything,
		fc.constant(undefined),
		fc
			.dictionary(fc.constantFrom(...Object.keys(storedItem), "displayName"), fc.anything())
			.map((some) => ({ ...storedItem, ...some })),
		text.map((name) => ({ ...storedItem, name })),
	);
	fc.assert(
		fc.property(fc.string(), item, item, (sequence, oldItem, newItem) => {
			const change = toChange({ sequence, oldItem, newItem });
			if (change.isOk() && change.value) {
				seen.told++;
				toChangeEntry(change.value);
			}
		}),
		{ numRuns: 5_000 },
	);
	t.true(seen.told > 10, String(seen.told));
});

test("no event, and no text in place of one, makes its parser throw or pass on what is no attribute", (t) => {
	const seen = { accepted: 0 };
	const ours = fc.record({
		source: fc.constant(eventSource),
		"detail-type": fc.constantFrom(...changeTypes),
		detail: fc.record({
			version: fc.constant(1),
			sequence: fc.oneof(fc.constant(sequence), anything),
			user: fc.oneof(
				anything,
				fc.dictionary(fc.string(), fc.anything()).map((more) => ({ ...more, ...user })),
				fc.record({ displayName: anything }).map((hostile) => ({ ...user, ...hostile })),
			),
			changed: fc.oneof(anything, fc.array(fc.oneof(fc.constant("email"), anything))),
		}),
	});
	const deep = {
		...event,
		detail: { ...event.detail, user: { ...user, displayName: nested(1e5) } },
	};
	t.is(parseChange(deep)._unsafeUnwrapErr().type, "InvalidEvent");
	fc.assert(
		fc.property(fc.oneof(anything, fc.string(), ours, ours), (input) => {
			const parsed = parseChange(input);
			if (parsed.isErr()) return;
			seen.accepted++;
			const { user } = parsed.value;
			const unknown = Object.keys(user).filter((name) => !Object.hasOwn(userAttributes, name));
			if (unknown.length > 0) throw new Error(`passed on: ${unknown.join()}`);
		}),
		{ numRuns: 5_000 },
	);
	t.true(seen.accepted > 10, String(seen.accepted));
});

function nested(depth: number): unknown {
	let value: unknown = [];
	for (let i = 0; i < depth; i++) value = [value];
	return value;
}

test("a change holds nothing but what the domain reads", (t) => {
	const change = read({ type: "UserRemoved", sequence: padded, user })._unsafeUnwrap();
	t.deepEqual(change, { type: "UserRemoved", sequence: padded, user });
	const { detail } = event;
	t.deepEqual(Object.keys(detail.user).sort(), Object.keys(user).sort());
	t.false(JSON.stringify(detail).includes("PROFILE"));
});
