import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import test from "ava";
import { openTestTable } from "../../testing/testTable";
import type { Identity, UserUpdate } from "..";
import { createUsers, openTable } from "..";

let table: Awaited<ReturnType<typeof openTestTable>>;
test.before(async () => {
	table = await openTestTable();
});
test.after.always(() => table.close());

const open = () => createUsers(openTable(table));

function person(changes: Partial<Identity> = {}): Identity {
	const sub = randomUUID();
	return { sub, username: sub, email: `${sub}@Example.com`, emailVerified: true, ...changes };
}

/** The items of a sub's partition as they lie in the table. */
const stored = async (sub: string) =>
	(
		await DynamoDBDocumentClient.from(table.client).send(
			new GetCommand({
				TableName: table.tableName,
				Key: { PK: `USER#${sub}`, SK: "PROFILE" },
				ConsistentRead: true,
			}),
		)
	).Item;

const store = (item: Record<string, unknown>) =>
	DynamoDBDocumentClient.from(table.client).send(
		new PutCommand({ TableName: table.tableName, Item: item }),
	);

/** Writes of one and the same millisecond have no order. */
const laterThan = async (time: string) => {
	while (new Date().toISOString() <= time) await setTimeout(1);
};

test("a registered user is found by sub, with an id and times of its own", async (t) => {
	const identity = person({ name: "Ada" });
	const before = new Date().toISOString();
	const registered = (await open().register(identity))._unsafeUnwrap();
	t.like(registered, identity);
	t.regex(registered.userId, /^[0-9a-f-]{36}$/);
	t.true(registered.createdAt >= before && registered.createdAt === registered.updatedAt);
	t.deepEqual((await open().findBySub(identity.sub))._unsafeUnwrap(), registered);
});

test("a user is found by email, in whatever case it was stored or is asked for", async (t) => {
	const users = open();
	const identity = person({ email: `Ada.${randomUUID()}@Example.COM` });
	const registered = (await users.register(identity))._unsafeUnwrap();
	for (const email of [
		identity.email,
		identity.email.toLowerCase(),
		identity.email.toUpperCase(),
	]) {
		t.deepEqual((await users.findByEmail(email))._unsafeUnwrap(), registered);
	}
});

test("the item is laid out as the README says", async (t) => {
	const identity = person();
	const { sub, emailClaim, ...user } = (await open().register(identity))._unsafeUnwrap();
	t.is(emailClaim, `VERIFIED#${user.createdAt}`);
	t.deepEqual(await stored(sub), {
		PK: `USER#${sub}`,
		SK: "PROFILE",
		GSI1PK: `EMAIL#${identity.email.toLowerCase()}`,
		GSI1SK: emailClaim,
		GSI2PK: `ID#${user.userId}`,
		GSI2SK: "USER",
		_et: "User",
		...user,
	});
});

test("registering again changes nothing, and answers the user that is there", async (t) => {
	const users = open();
	const identity = person();
	const first = (await users.register(identity))._unsafeUnwrap();
	const second = await users.register({ ...identity, email: "other@example.com" });
	t.deepEqual(second._unsafeUnwrapErr(), { type: "UserAlreadyExists", user: first });
	t.deepEqual((await users.findBySub(identity.sub))._unsafeUnwrap(), first);
});

test("of ten registrations at once one is made, and the others are told of it", async (t) => {
	const users = open();
	const identity = person();
	const results = await Promise.all(Array.from({ length: 10 }, () => users.register(identity)));
	const [made, ...more] = results.filter((result) => result.isOk());
	t.is(more.length, 0);
	for (const result of results.filter((result) => result.isErr())) {
		t.deepEqual(result.error, { type: "UserAlreadyExists", user: made?.value });
	}
});

test("of two who claim an email the newest is found, and once that one is removed, the other", async (t) => {
	const users = open();
	const email = `${randomUUID()}@example.com`;
	const first = (await users.register(person({ email })))._unsafeUnwrap();
	await laterThan(first.createdAt);
	const second = (await users.register(person({ email: email.toUpperCase() })))._unsafeUnwrap();
	t.is((await users.findByEmail(email))._unsafeUnwrap().sub, second.sub);
	await users.remove(second.sub);
	t.is((await users.findByEmail(email))._unsafeUnwrap().sub, first.sub);
});

test("an unknown sub or email is UserNotFound, and so is what can be neither", async (t) => {
	const users = open();
	const notFound = { type: "UserNotFound" } as const;
	for (const sub of [randomUUID(), "", "a b", "x".repeat(3000), "\u0000", "\ud800"]) {
		t.deepEqual((await users.findBySub(sub))._unsafeUnwrapErr(), notFound);
		t.deepEqual((await users.update(sub, {}))._unsafeUnwrapErr(), notFound);
	}
	for (const email of [`${randomUUID()}@example.com`, "", "ada", `${"x".repeat(3000)}@e.co`]) {
		t.deepEqual((await users.findByEmail(email))._unsafeUnwrapErr(), notFound);
	}
});

test("an update sets, keeps and removes what the application owns, and leaves the identity alone", async (t) => {
	const users = open();
	const registered = (await users.register(person()))._unsafeUnwrap();
	const { sub } = registered;
	await laterThan(registered.updatedAt);

	const named = (await users.update(sub, { displayName: "Ada" }))._unsafeUnwrap();
	t.deepEqual(named, { ...registered, displayName: "Ada", updatedAt: named.updatedAt });
	t.true(named.updatedAt > registered.updatedAt);

	t.is((await users.update(sub, { displayName: undefined }))._unsafeUnwrap().displayName, "Ada");

	const unnamed = (await users.update(sub, { displayName: null }))._unsafeUnwrap();
	t.deepEqual(unnamed, { ...registered, updatedAt: unnamed.updatedAt });
	t.deepEqual((await users.findBySub(sub))._unsafeUnwrap(), unnamed);
});

test("an update of what the application does not own, or with a wrong value, writes nothing and lists why", async (t) => {
	const users = open();
	const registered = (await users.register(person()))._unsafeUnwrap();
	const update = { email: "eve@example.com", userId: "1", displayName: "x".repeat(101) };
	const refused = (await users.update(registered.sub, update))._unsafeUnwrapErr();
	t.is(refused.type, "InvalidUpdate");
	t.deepEqual("issues" in refused && refused.issues.map(({ path }) => path), [
		"email",
		"userId",
		"displayName",
	]);
	for (const [displayName, message] of [
		["", "must be 1 to 100 characters of well-formed Unicode"],
		["\ud800", "must be 1 to 100 characters of well-formed Unicode"],
		[36, "must be string"],
	] as const) {
		// What application code passes on may be of any type.
		const wrong = { displayName } as UserUpdate;
		t.deepEqual((await users.update(registered.sub, wrong))._unsafeUnwrapErr(), {
			type: "InvalidUpdate",
			issues: [{ path: "displayName", message }],
		});
	}
	for (const wrong of [null, undefined, 5, "Ada", []]) {
		// As above.
		const answer = await users.update(registered.sub, wrong as UserUpdate);
		t.deepEqual(answer._unsafeUnwrapErr(), {
			type: "InvalidUpdate",
			issues: [{ path: "", message: "must be an object" }],
		});
	}
	t.deepEqual((await users.findBySub(registered.sub))._unsafeUnwrap(), registered);
});

test("an identity of another sub replaces none", async (t) => {
	const users = open();
	const user = (await users.register(person()))._unsafeUnwrap();
	t.deepEqual((await users.replaceIdentity(user, person()))._unsafeUnwrapErr(), {
		type: "InvalidIdentity",
		issues: [{ path: "sub", message: "is another user's" }],
	});
	t.deepEqual((await users.findBySub(user.sub))._unsafeUnwrap(), user);
});

for (const name of ["type", "PK", "SK", "GSI1SK", "_et", "userId", "__proto__", "sub"]) {
	test(`an update that names ${name} is InvalidUpdate, and no outage`, async (t) => {
		const users = open();
		const user = (await users.register(person()))._unsafeUnwrap();
		// What application code passes on may be of any type.
		const change: UserUpdate = JSON.parse(`{"${name}":"x"}`);
		t.deepEqual((await users.update(user.sub, change))._unsafeUnwrapErr(), {
			type: "InvalidUpdate",
			issues: [{ path: name, message: "is not the application's to change" }],
		});
	});
}

test("an update makes no profile where there is none", async (t) => {
	const sub = randomUUID();
	t.deepEqual((await open().update(sub, { displayName: "Ada" }))._unsafeUnwrapErr(), {
		type: "UserNotFound",
	});
	t.is(await stored(sub), undefined);
});

test("a replaced identity is found by its new email alone, and keeps what the application owns", async (t) => {
	const users = open();
	const identity = person({ name: "Ada Byron", givenName: "Ada" });
	await users.register(identity);
	const before = (await users.update(identity.sub, { displayName: "Ada" }))._unsafeUnwrap();
	const { givenName, ...rest } = identity;
	const changed = { ...rest, email: `new-${identity.email}`, name: "Ada Lovelace" };

	const after = (await users.replaceIdentity(before, changed))._unsafeUnwrap();

	const { givenName: formerly, ...kept } = before;
	t.deepEqual(after, {
		...kept,
		...changed,
		updatedAt: after.updatedAt,
		identityVersion: 2,
		emailClaim: `VERIFIED#${after.updatedAt}`,
	});
	t.deepEqual((await users.findByEmail(changed.email))._unsafeUnwrap(), after);
	t.is((await users.findByEmail(identity.email))._unsafeUnwrapErr().type, "UserNotFound");
});

test("an email that changes in nothing but case keeps its claim", async (t) => {
	const users = open();
	const email = `${randomUUID()}@example.com`;
	const first = (await users.register(person({ email })))._unsafeUnwrap();
	await laterThan(first.createdAt);
	const second = (await users.register(person({ email })))._unsafeUnwrap();
	await laterThan(second.createdAt);
	await users.replaceIdentity(first, { ...person(), sub: first.sub, email: email.toUpperCase() });
	t.is((await users.findByEmail(email))._unsafeUnwrap().sub, second.sub);
});

test("an identity is not replaced once somebody else has replaced it, or the profile is gone", async (t) => {
	const users = open();
	const identity = person();
	const read = (await users.register(identity))._unsafeUnwrap();
	const changed = { ...identity, name: "Ada" };
	const written = (await users.replaceIdentity(read, changed))._unsafeUnwrap();
	t.deepEqual(
		(await users.replaceIdentity(read, { ...identity, name: "Eve" }))._unsafeUnwrapErr(),
		{
			type: "ConcurrentUpdate",
		},
	);
	t.deepEqual((await users.findBySub(identity.sub))._unsafeUnwrap(), written);
	await users.remove(identity.sub);
	t.deepEqual((await users.replaceIdentity(written, identity))._unsafeUnwrapErr(), {
		type: "ConcurrentUpdate",
	});
	t.is(await stored(identity.sub), undefined);
});

test("an update of the application does not stand in the way of a new identity", async (t) => {
	const users = open();
	const identity = person();
	const read = (await users.register(identity))._unsafeUnwrap();
	await users.update(identity.sub, { displayName: "Ada" });
	const replaced = (
		await users.replaceIdentity(read, { ...identity, name: "Ada" })
	)._unsafeUnwrap();
	t.like(replaced, { displayName: "Ada", name: "Ada" });
});

test("a removed user is gone from both lookups, and may be removed again", async (t) => {
	const users = open();
	const identity = person();
	await users.register(identity);
	for (const _ of ["once", "twice"]) t.true((await users.remove(identity.sub)).isOk());
	t.true((await users.remove("")).isOk());
	t.is((await users.findBySub(identity.sub))._unsafeUnwrapErr().type, "UserNotFound");
	t.is((await users.findByEmail(identity.email))._unsafeUnwrapErr().type, "UserNotFound");
});

test("an invalid identity is neither registered nor put in place of a valid one", async (t) => {
	const users = open();
	const identity = person();
	const invalid = { ...identity, email: "ada" };
	t.deepEqual((await users.register(invalid))._unsafeUnwrapErr(), {
		type: "InvalidIdentity",
		issues: [{ path: "email", message: "is malformed" }],
	});
	t.is(await stored(identity.sub), undefined);
	const user = (await users.register(identity))._unsafeUnwrap();
	t.is((await users.replaceIdentity(user, invalid))._unsafeUnwrapErr().type, "InvalidIdentity");
	t.deepEqual((await users.findBySub(identity.sub))._unsafeUnwrap(), user);
});

/** An item as the first version of this project wrote it. */
function firstVersion({ sub, email }: Identity, since = "2020-01-01T00:00:00.000Z") {
	const fields = {
		username: sub,
		email,
		emailVerified: true,
		userId: randomUUID(),
		createdAt: since,
		updatedAt: since,
		identityVersion: 1,
	};
	const keys = { PK: `USER#${sub}`, SK: "PROFILE", _et: "User" };
	const index = { GSI1PK: `EMAIL#${email.toLowerCase()}`, GSI1SK: since };
	return { user: { sub, ...fields, emailClaim: since }, item: { ...keys, ...index, ...fields } };
}

test("a profile of an older version still reads, and so does one of a newer", async (t) => {
	for (const more of [{}, { GSI9PK: "NEWER#1", attributeOfTheFuture: { version: 9 } }]) {
		const { user, item } = firstVersion(person());
		await store({ ...item, ...more });
		t.deepEqual((await open().findBySub(user.sub))._unsafeUnwrap(), user);
		t.deepEqual((await open().findByEmail(user.email))._unsafeUnwrap(), user);
	}
});

test("a profile of an older version takes today's keys at its next write, and keeps its place among the claims", async (t) => {
	const users = open();
	const identity = person();
	const { user, item } = firstVersion(identity);
	await store(item);
	t.is((await users.findByUserId(user.userId))._unsafeUnwrapErr().type, "UserNotFound");
	const changed = { ...identity, name: "Ada" };
	const after = (await users.replaceIdentity(user, changed))._unsafeUnwrap();
	t.is(after.emailClaim, `VERIFIED#${user.createdAt}`);
	t.deepEqual((await users.findByUserId(user.userId))._unsafeUnwrap(), after);
	t.deepEqual((await users.findByEmail(identity.email))._unsafeUnwrap(), after);
});

test("a verified claim of an email goes before every unverified one, however new", async (t) => {
	const users = open();
	const email = `${randomUUID()}@example.com`;
	const verified = (await users.register(person({ email })))._unsafeUnwrap();
	await laterThan(verified.createdAt);
	const unverified = person({ email, emailVerified: false });
	const newer = (await users.register(unverified))._unsafeUnwrap();
	t.is((await users.findByEmail(email))._unsafeUnwrap().sub, verified.sub);

	await laterThan(newer.createdAt);
	await users.replaceIdentity(newer, { ...unverified, emailVerified: true });
	t.is((await users.findByEmail(email))._unsafeUnwrap().sub, newer.sub, "as Cognito moved it");
	await laterThan(new Date().toISOString());
	const [holder] = [(await users.findBySub(newer.sub))._unsafeUnwrap()];
	await users.replaceIdentity(holder, unverified);
	t.is((await users.findByEmail(email))._unsafeUnwrap().sub, verified.sub, "and took it back");
});

test("a user is found by the userId that a token carries", async (t) => {
	const users = open();
	const user = (await users.register(person()))._unsafeUnwrap();
	t.deepEqual((await users.findByUserId(user.userId))._unsafeUnwrap(), user);
	for (const unknown of [randomUUID(), "", "USER", "x".repeat(3000), "\ud800"]) {
		t.deepEqual((await users.findByUserId(unknown))._unsafeUnwrapErr(), { type: "UserNotFound" });
	}
	await users.remove(user.sub);
	t.is((await users.findByUserId(user.userId))._unsafeUnwrapErr().type, "UserNotFound");
});

test("a profile that was lost is registered under the userId that it had", async (t) => {
	const users = open();
	const identity = person();
	const { userId } = (await users.register(identity))._unsafeUnwrap();
	await users.remove(identity.sub);
	t.is((await users.register(identity, userId))._unsafeUnwrap().userId, userId);
	t.is((await users.findByUserId(userId))._unsafeUnwrap().sub, identity.sub);
});

test("a stored item that does not parse is CorruptUser in every pattern that reads it", async (t) => {
	const users = open();
	const identity = person();
	const user = (await users.register(identity))._unsafeUnwrap();
	await store({ ...(await stored(identity.sub)), emailVerified: "yes" });
	const corrupt = {
		type: "CorruptUser",
		issues: [{ path: "emailVerified", message: "is of the wrong type" }],
	} as const;
	t.deepEqual((await users.findBySub(identity.sub))._unsafeUnwrapErr(), corrupt);
	t.deepEqual((await users.findByEmail(identity.email))._unsafeUnwrapErr(), corrupt);
	t.deepEqual((await users.register(identity))._unsafeUnwrapErr(), corrupt);
	t.deepEqual((await users.update(user.sub, { displayName: "Ada" }))._unsafeUnwrapErr(), corrupt);
	const { GSI1PK, GSI1SK } = (await stored(identity.sub)) ?? {};
	await store({ PK: `USER#${identity.sub}`, SK: "PROFILE", GSI1PK, GSI1SK });
	t.is((await users.findBySub(identity.sub))._unsafeUnwrapErr().type, "CorruptUser");
	t.is((await users.findByEmail(identity.email))._unsafeUnwrapErr().type, "CorruptUser");
});

test("a table that cannot be reached is StoreUnavailable, and worth a retry", async (t) => {
	const client = new DynamoDBClient({
		region: "us-east-1",
		credentials: { accessKeyId: "test", secretAccessKey: "test" },
		endpoint: "http://127.0.0.1:1",
		maxAttempts: 1,
	});
	const users = createUsers(openTable({ tableName: "users", client }));
	const identity = person();
	for (const result of await Promise.all([
		users.register(identity),
		users.findBySub(identity.sub),
		users.findByEmail(identity.email),
		users.findByUserId(randomUUID()),
		users.update(identity.sub, { displayName: "Ada" }),
		users.remove(identity.sub),
	])) {
		t.like(result._unsafeUnwrapErr(), { type: "StoreUnavailable", retryable: true });
	}
});

test("a table that does not exist is StoreUnavailable, and not worth a retry", async (t) => {
	const users = createUsers(openTable({ tableName: "missing", client: table.client }));
	t.like((await users.findBySub("1"))._unsafeUnwrapErr(), {
		type: "StoreUnavailable",
		retryable: false,
	});
});
