import { randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { DynamoDBDocumentClient, PutCommand } from "@aws-sdk/lib-dynamodb";
import test from "ava";
import { err, errAsync, ok, okAsync, ResultAsync } from "neverthrow";
import { TestPool } from "../../testing/testPool";
import { openTestTable } from "../../testing/testTable";
import { createUsers, type Identity, openTable, type User, type Users } from "..";
import { listProfiles, type ProfileOwner } from "./listProfiles";
import { type ListedAccount, type Progress, reconcile } from "./reconcile";

const tables: Awaited<ReturnType<typeof openTestTable>>[] = [];
test.after.always(() => Promise.all(tables.map((table) => table.close())));

/** A pool and a table of a test's own. */
async function open() {
	const table = await openTestTable();
	tables.push(table);
	const users = createUsers(openTable(table));
	const userPool = new TestPool();
	const prune = {
		profiles: listProfiles(openTable(table)),
		force: false,
		approve: async () => true,
	};
	return { table, users, userPool, prune };
}

function person(changes: Partial<Identity> = {}): Identity {
	const sub = randomUUID();
	return { sub, username: sub, email: `${sub}@example.com`, emailVerified: true, ...changes };
}

const people = (count: number) => Array.from({ length: count }, () => person());

test("every confirmed account has an equal, linked profile afterwards, and a second run finds nothing to do", async (t) => {
	const { users, userPool } = await open();
	const [missing, changed, unlinked, unconfirmed] = [person(), person(), person(), person()];
	for (const identity of [changed, unlinked]) {
		userPool.put(identity);
		const { userId } = (await users.register(identity))._unsafeUnwrap();
		userPool.link(identity.username, userId);
	}
	userPool.put(missing);
	userPool.put({ ...changed, name: "Ada" });
	userPool.link(unlinked.username, "somebody-else");
	userPool.put(unconfirmed, false);

	const none = { created: 0, updated: 0, linked: 0, unchanged: 0, removed: 0, failed: 0 };
	t.deepEqual(await reconcile({ users, userPool, accounts: userPool.list() }), {
		...none,
		listed: 4,
		unconfirmed: 1,
		created: 1,
		updated: 1,
		linked: 1,
		failures: [],
		interrupted: false,
	});
	for (const { identity, userId } of userPool.accounts.values()) {
		if (identity === unconfirmed) continue;
		t.like((await users.findBySub(identity.sub))._unsafeUnwrap(), { ...identity, userId });
	}
	t.is((await users.findBySub(unconfirmed.sub))._unsafeUnwrapErr().type, "UserNotFound");
	const again = await reconcile({ users, userPool, accounts: userPool.list() });
	t.like(again, { ...none, unchanged: 3 });
});

test("a dry run tells what a real run then does, and writes nothing", async (t) => {
	const { table, users, userPool, prune } = await open();
	const all = people(20);
	for (const identity of all) {
		userPool.put(identity);
		const user = (await users.register(identity))._unsafeUnwrap();
		userPool.link(identity.username, user.userId);
	}
	const [lost, changed, unlinked, gone] = all as [Identity, Identity, Identity, Identity];
	await users.remove(lost.sub);
	userPool.put({ ...changed, email: `new-${changed.email}` });
	userPool.link(unlinked.username, "somebody-else");
	userPool.accounts.delete(gone.username);

	const state = async () => ({
		accounts: [...userPool.accounts],
		users: await Promise.all(all.map(({ sub }) => users.findBySub(sub))),
	});
	const before = await state();
	const options = { users, userPool };
	const dry = await reconcile({
		...options,
		accounts: userPool.list(),
		prune: { ...prune, approve: () => t.fail("it asked") },
		dryRun: true,
	});
	t.deepEqual(await state(), before);
	t.like(dry, { created: 1, updated: 1, linked: 1, unchanged: 16, removed: 1, failed: 0 });
	const real = await reconcile({
		...options,
		accounts: userPool.list(),
		prune: { ...prune, profiles: listProfiles(openTable(table)) },
	});
	// By then the lost profile is back.
	t.deepEqual(real, { ...dry, prune: { profiles: 20, gone: 1, left: 0 } });
	t.is((await users.findBySub(gone.sub))._unsafeUnwrapErr().type, "UserNotFound");
});

test("pruning removes the profiles whose account is gone or whose name has passed to another, and no other item", async (t) => {
	const { table, users, userPool, prune } = await open();
	const all = people(30);
	const [gone, renamed, unconfirmed] = all as [Identity, Identity, Identity];
	for (const identity of all) {
		userPool.put(identity, identity !== unconfirmed);
		await users.register(identity);
	}
	userPool.accounts.delete(gone.username);
	userPool.put({ ...person(), username: renamed.username });
	const other = { TableName: table.tableName, ConsistentRead: true };
	const order = { PK: `USER#${gone.sub}`, SK: "ORDER#1" };
	const store = DynamoDBDocumentClient.from(table.client);
	await store.send(new PutCommand({ ...other, Item: { ...order, total: 1 } }));

	const asked: unknown[] = [];
	const summary = await reconcile({
		users,
		userPool,
		accounts: userPool.list(),
		prune: { ...prune, approve: async (found) => asked.push(found) > 0 },
	});
	t.like(summary, { removed: 2, failed: 0, prune: { profiles: 31, gone: 2, left: 0 } });
	t.like(asked, [{ profiles: 31, gone: 2 }]);
	for (const { sub } of all) {
		const isGone = sub === gone.sub || sub === renamed.sub;
		t.is((await users.findBySub(sub)).isErr(), isGone);
	}
});

test("nothing is removed when it is not approved", async (t) => {
	const { users, userPool, prune } = await open();
	const all = people(20);
	for (const identity of all) {
		userPool.put(identity);
		await users.register(identity);
	}
	userPool.accounts.delete(String(all[0]?.username));
	const summary = await reconcile({
		users,
		userPool,
		accounts: userPool.list(),
		prune: { ...prune, approve: async () => false },
	});
	t.like(summary, { removed: 0, prune: { gone: 1, refused: "NotApproved" } });
	t.true((await users.findBySub(String(all[0]?.sub))).isOk());
});

for (const [what, present, gone, refused] of [
	["two of the three profiles of a small pool are gone", 1, 2, undefined],
	["twenty profiles are gone", 5, 20, undefined],
	["more than twenty are gone, and a tenth of all", 189, 21, undefined],
	["more than twenty are gone, and more than a tenth of all", 188, 21, "TooManyGone"],
	["the pool lists nobody", 0, 1, "PoolListsNobody"],
] as const) {
	test(`when ${what}, pruning ${refused ? "refuses unless forced" : "goes on"}`, async (t) => {
		const { table, users, userPool, prune } = await open();
		for (const identity of people(present)) userPool.put(identity);
		for (const identity of people(gone)) await users.register(identity);
		const run = (force: boolean) =>
			reconcile({
				users,
				userPool,
				accounts: userPool.list(),
				prune: { ...prune, profiles: listProfiles(openTable(table)), force },
			});
		const first = await run(false);
		t.is(first.prune?.refused, refused);
		t.is(first.removed, refused ? 0 : gone);
		if (refused) t.like(await run(true), { removed: gone, prune: { gone } });
	});
}

test("a profile that names no account is reported, and stays", async (t) => {
	const { table, users, userPool, prune } = await open();
	for (const identity of people(3)) userPool.put(identity);
	await DynamoDBDocumentClient.from(table.client).send(
		new PutCommand({ TableName: table.tableName, Item: { PK: "USER#lost", SK: "PROFILE" } }),
	);
	const summary = await reconcile({
		users,
		userPool,
		accounts: userPool.list(),
		prune: { ...prune, force: true },
	});
	t.like(summary, { removed: 0, failed: 1, prune: { profiles: 4, gone: 0 } });
	t.like(summary.failures[0], { sub: "lost", error: { type: "CorruptUser" } });
});

test("the profiles of a table of many pages are all listed, and nothing else", async (t) => {
	const { table } = await open();
	const store = DynamoDBDocumentClient.from(table.client);
	const put = (item: Record<string, unknown>) =>
		store.send(new PutCommand({ TableName: table.tableName, Item: item }));
	const large = "x".repeat(100_000);
	for (let count = 0; count < 25; count++) {
		await put({ PK: `USER#${count}`, SK: "PROFILE", username: `name-${count}`, large });
	}
	await put({ PK: "USER#1", SK: "ORDER#1" });
	await put({ PK: "TENANT#1", SK: "PROFILE" });
	const listed: ProfileOwner[] = [];
	let pages = 0;
	for await (const page of listProfiles(openTable(table))) {
		listed.push(...page._unsafeUnwrap());
		pages++;
	}
	t.true(pages > 1);
	t.deepEqual(
		listed.map(({ sub, username }) => `${sub} ${username}`).sort(),
		Array.from({ length: 25 }, (_, count) => `${count} name-${count}`).sort(),
	);
});

test("a listing that breaks off leaves what was done, says why, and removes nothing", async (t) => {
	const { users, userPool, prune } = await open();
	const known = person();
	userPool.put(known);
	await users.register(person());
	const unavailable = { type: "UserPoolUnavailable", retryable: true, cause: undefined } as const;
	async function* broken() {
		yield* userPool.list();
		yield err(unavailable);
	}
	const summary = await reconcile({
		users,
		userPool,
		accounts: broken(),
		prune: { ...prune, force: true },
	});
	t.like(summary, { created: 1, removed: 0, stoppedBy: unavailable, prune: undefined });
	t.true((await users.findBySub(known.sub)).isOk());
});

test("accounts that fail are counted and named with the reason, a hundred of them, and the others are recorded", async (t) => {
	const { users, userPool } = await open();
	const fine = person();
	userPool.put(fine);
	const invalid = { type: "InvalidIdentity", issues: [{ path: "email", message: "is required" }] };
	async function* accounts() {
		const subs = Array.from({ length: 150 }, (_, count) => `invalid-${count}`);
		yield ok(subs.map((sub) => ({ sub, confirmed: true, account: err(invalid) }) as ListedAccount));
		yield* userPool.list();
	}
	const summary = await reconcile({ users, userPool, accounts: accounts() });
	t.like(summary, { listed: 151, created: 1, failed: 150 });
	t.is(summary.failures.length, 100);
	t.deepEqual(summary.failures[0]?.error as unknown, invalid);
});

test("an interruption ends it after those under way, and removes nothing", async (t) => {
	const { users, userPool, prune } = await open();
	for (const identity of people(50)) userPool.put(identity);
	await users.register(person());
	const interruption = new AbortController();
	const begun = new Set<string>();
	const watched: Users = {
		...users,
		register: (identity) => {
			begun.add(identity.sub);
			if (begun.size === 10) interruption.abort();
			return users.register(identity);
		},
	};
	const summary = await reconcile({
		users: watched,
		userPool,
		accounts: userPool.list(),
		prune: { ...prune, force: true },
		concurrency: 4,
		signal: interruption.signal,
	});
	t.like(summary, { interrupted: true, removed: 0, failed: 0, prune: undefined });
	t.is(summary.created, begun.size);
	t.true(begun.size < 15);
	for (const sub of begun) t.true((await users.findBySub(sub)).isOk());
});

/** Users and a pool that answer at once and keep nothing: every account has its profile. */
function everybodyIsThere() {
	const user: User = {
		...person(),
		userId: "u-1",
		createdAt: "2026-01-01T00:00:00.000Z",
		updatedAt: "2026-01-01T00:00:00.000Z",
		identityVersion: 1,
		emailClaim: "VERIFIED#2026-01-01T00:00:00.000Z",
	};
	const never = () => errAsync({ type: "StoreUnavailable", retryable: false, cause: 0 } as const);
	const users: Users = {
		findBySub: (sub) =>
			okAsync({ ...user, sub, username: sub, email: `${sub}@example.com`, userId: `u-${sub}` }),
		findByEmail: never,
		findByUserId: never,
		register: never,
		update: never,
		replaceIdentity: never,
		remove: () => okAsync(undefined),
	};
	return { users, userPool: new TestPool() };
}

async function* generated(count: number) {
	for (let from = 0; from < count; from += 60) {
		await setImmediate();
		yield ok(
			Array.from({ length: Math.min(60, count - from) }, () => {
				const identity = person();
				const account = { identity, userId: `u-${identity.sub}` };
				return { sub: identity.sub, username: "nobody", confirmed: true, account: ok(account) };
			}),
		);
	}
}

// Alone in its process, as the heap is everybody's.
test.serial(
	"memory does not grow with the pool: it is the same after 5,000 accounts as after 50,000",
	async (t) => {
		setFlagsFromString("--expose-gc");
		const collect: () => void = runInNewContext("gc");
		const heapAt = new Map<string, number>();
		const measure = ({ phase, done }: Progress) => {
			if (done !== 5_000 && done !== 50_000) return;
			collect();
			heapAt.set(`${phase} ${done}`, process.memoryUsage().heapUsed / 1e6);
		};
		const summary = await reconcile({
			...everybodyIsThere(),
			accounts: generated(50_000),
			prune: { profiles: generated(50_000), force: true, approve: async () => true },
			onProgress: measure,
		});
		t.like(summary, { unchanged: 50_000, failed: 0, prune: { profiles: 50_000, gone: 50_000 } });
		for (const phase of ["recording accounts", "checking profiles"]) {
			const [few = Number.NaN, many = Number.NaN] = [5_000, 50_000].map((done) =>
				heapAt.get(`${phase} ${done}`),
			);
			t.log(
				`${phase}: ${few.toFixed(1)} MB of heap after 5,000, ${many.toFixed(1)} MB after 50,000`,
			);
			t.true(many - few < 3, phase);
		}
		// A run removes no more than this many, and tells how many it leaves.
		t.like(summary, { removed: 10_000, prune: { left: 40_000 } });
	},
);

test("no more accounts are worked on at once than was asked for", async (t) => {
	const { users, userPool } = everybodyIsThere();
	let underWay = 0;
	let most = 0;
	const counted: Users = {
		...users,
		findBySub: (sub) => {
			most = Math.max(most, ++underWay);
			return ResultAsync.fromSafePromise(setImmediate())
				.andThen(() => users.findBySub(sub))
				.andTee(() => underWay--);
		},
	};
	await reconcile({ users: counted, userPool, accounts: generated(200), concurrency: 7 });
	t.is(most, 7);
});
