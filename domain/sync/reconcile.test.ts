import { randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { DynamoDBDocumentClient, PutCommand } from "@aws-sdk/lib-dynamodb";
import test from "ava";
import { err, errAsync, ok, okAsync, ResultAsync } from "neverthrow";
import { listAll } from "../../testing/listAll";
import { TestPool } from "../../testing/testPool";
import { openTestTable } from "../../testing/testTable";
import { createUsers, type Identity, openTable, type User, type Users } from "..";
import { listProfiles, type ProfileOwner } from "./listProfiles";
import type { Listing } from "./page";
import {
	type ChangedUser,
	type FailedAccount,
	type ListedAccount,
	type ListingStopped,
	type Progress,
	type ReconcileOptions,
	type ReconcileState,
	reconcile,
} from "./reconcile";

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
	const { users, userPool, prune } = await open();
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
	const real = await reconcile({ ...options, accounts: userPool.list(), prune });
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

test("pruning looks up whom the pool does not list, and nobody else, as Cognito takes money for that", async (t) => {
	const { users, userPool, prune } = await open();
	const all = people(10);
	const [gone, unlisted] = all as [Identity, Identity];
	for (const identity of all) {
		userPool.put(identity);
		userPool.link(identity.username, (await users.register(identity))._unsafeUnwrap().userId);
	}
	userPool.accounts.delete(gone.username);
	const lookedUp = new Set<string>();
	const summary = await reconcile({
		users,
		userPool: {
			findAccount: (username) => {
				lookedUp.add(username);
				return userPool.findAccount(username);
			},
			// Cognito lists a new account some time after it was made.
			findUsername: (sub) =>
				sub === unlisted.sub ? errAsync({ type: "AccountNotFound" }) : userPool.findUsername(sub),
			link: (username, userId) => userPool.link(username, userId),
		},
		accounts: userPool.list(),
		prune,
	});
	t.like(summary, { unchanged: 9, removed: 1, failed: 0, prune: { profiles: 10, gone: 1 } });
	t.deepEqual([...lookedUp].sort(), [gone.username, unlisted.username].sort());
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
		const { users, userPool, prune } = await open();
		for (const identity of people(present)) userPool.put(identity);
		for (const identity of people(gone)) await users.register(identity);
		const run = (force: boolean) =>
			reconcile({
				users,
				userPool,
				accounts: userPool.list(),
				prune: { ...prune, force },
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
	t.deepEqual(summary.failures, [
		{ sub: "lost", type: "CorruptUser", reason: "username is missing" },
	]);
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
	const list = listProfiles(openTable(table));
	let pages = 0;
	const listed = await listAll<ProfileOwner>((token) => {
		pages++;
		return list(token);
	});
	t.true(pages > 1);
	t.deepEqual(
		listed.map(({ sub, username }) => `${sub} ${username}`).sort(),
		Array.from({ length: 25 }, (_, count) => `${count} name-${count}`).sort(),
	);
});

/** A listing, and then another page. */
const after = <T, E>(list: Listing<T, E>, another: Listing<T, E>): Listing<T, E> => {
	return (token) =>
		token === "after"
			? another()
			: list(token).map(({ items, next = "after" }) => ({ items, next }));
};

test("a listing that breaks off leaves what was done, says why, and removes nothing", async (t) => {
	const { users, userPool, prune } = await open();
	const known = person();
	userPool.put(known);
	await users.register(person());
	const cause = Object.assign(new Error("ada@example.com"), { name: "TooManyRequestsException" });
	const unavailable = { type: "UserPoolUnavailable", retryable: true, cause } as const;
	const told: ListingStopped[] = [];
	const summary = await reconcile({
		users,
		userPool,
		accounts: after(userPool.list(), () => errAsync(unavailable)),
		prune: { ...prune, force: true },
		onStopped: (error) => told.push(error),
	});
	t.like(summary, {
		created: 1,
		removed: 0,
		stoppedBy: { type: "UserPoolUnavailable", reason: "TooManyRequestsException" },
		prune: undefined,
	});
	t.deepEqual(told, [unavailable]);
	t.true((await users.findBySub(known.sub)).isOk());
});

test("accounts that fail are counted and named with the reason, a hundred of them, and the others are recorded", async (t) => {
	const { users, userPool } = await open();
	const fine = person();
	userPool.put(fine);
	const issues = [{ path: "email", message: "is required" }];
	const items = Array.from(
		{ length: 150 },
		(_, count): ListedAccount => ({
			sub: `invalid-${count}`,
			confirmed: true,
			account: err({ type: "InvalidIdentity", issues }),
		}),
	);
	const told: FailedAccount[] = [];
	const summary = await reconcile({
		users,
		userPool,
		accounts: after(userPool.list(), () => okAsync({ items })),
		onFailed: (failure) => told.push(failure),
	});
	t.like(summary, { listed: 151, created: 1, failed: 150 });
	t.is(summary.failures.length, 100);
	t.deepEqual(summary.failures, told.slice(0, 100));
	t.is(told.length, 150);
	t.deepEqual(told[0], {
		sub: "invalid-0",
		type: "InvalidIdentity",
		reason: "email is required",
	});
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

const generated =
	(count: number) =>
	(token = "0") =>
		ResultAsync.fromSafePromise(setImmediate()).map(() => {
			const from = Number(token);
			const to = Math.min(from + 60, count);
			return {
				items: Array.from({ length: to - from }, () => {
					const identity = person();
					const account = { identity, userId: `u-${identity.sub}` };
					return { sub: identity.sub, username: "nobody", confirmed: true, account: ok(account) };
				}),
				next: to < count ? String(to) : undefined,
			};
		});

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
		for (const phase of ["recording accounts", "checking profiles", "removing profiles"]) {
			const [few = Number.NaN, many = Number.NaN] = [5_000, 50_000].map((done) =>
				heapAt.get(`${phase} ${done}`),
			);
			t.log(
				`${phase}: ${few.toFixed(1)} MB of heap after 5,000, ${many.toFixed(1)} MB after 50,000`,
			);
			t.true(many - few < 3, phase);
		}
		t.like(summary, { removed: 50_000, prune: { left: 0 } });
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

// In parts, as on AWS.

/** Runs it in parts of one page each, which pass on the state as JSON; answers the last state, and how many parts there were. */
async function runInParts(options: ReconcileOptions) {
	let state: ReconcileState | undefined;
	let parts = 0;
	do {
		const from: ReconcileState | undefined = state && JSON.parse(JSON.stringify(state));
		state = await reconcile({ ...options, ...(from && { from }), hasTime: () => false });
		if (++parts > 100) throw new Error("it does not end");
	} while (state.next);
	return { state, parts };
}

/** A page of two at a time. */
const shortPages =
	<T, E>(list: Listing<T, E>): Listing<T, E> =>
	(token = "0") =>
		list().map(({ items }) => {
			const to = Number(token) + 2;
			return {
				items: items.slice(Number(token), to),
				next: to < items.length ? String(to) : undefined,
			};
		});

/** People of all kinds, of whom five are gone. */
async function openWithAll() {
	const opened = await open();
	const { users, userPool, prune } = opened;
	const all = people(12);
	for (const identity of all) {
		userPool.put(identity);
		const { userId } = (await users.register(identity))._unsafeUnwrap();
		userPool.link(identity.username, userId);
	}
	const [changed, unlinked, ...others] = all as [Identity, Identity, ...Identity[]];
	userPool.put({ ...changed, name: "Ada" });
	userPool.link(unlinked.username, "somebody-else");
	userPool.put(person());
	userPool.put(person(), false);
	for (const { username } of others.slice(0, 5)) userPool.accounts.delete(username);
	// What is listed is fixed, so that removing moves nobody to another page.
	const owners = await listAll(prune.profiles);
	const profiles = shortPages<ProfileOwner, never>(() => okAsync({ items: owners }));
	return { ...opened, all, prune: { ...prune, profiles } };
}

test("a run that is split at every page does and tells what one does that is not", async (t) => {
	const runs = await Promise.all(
		[false, true].map(async (split) => {
			const { users, userPool, prune, all } = await openWithAll();
			const changed: ChangedUser[] = [];
			const options: ReconcileOptions = {
				users,
				userPool,
				accounts: userPool.list(2),
				prune,
				onRecorded: (one) => changed.push(one),
			};
			const { state, parts } = split
				? await runInParts(options)
				: { state: await reconcile(options), parts: 1 };
			const left = await Promise.all(all.map(({ sub }) => users.findBySub(sub)));
			const outcomes = changed.map(({ outcome }) => outcome).sort();
			return { state, outcomes, parts, left: left.map((user) => user.isOk()) };
		}),
	);
	const [{ parts: one, ...whole }, { parts, ...inParts }] = runs as [
		(typeof runs)[0],
		(typeof runs)[0],
	];
	t.deepEqual(inParts, whole);
	t.is(one, 1);
	// Nine accounts, and thirteen profiles twice, two at a time.
	t.is(parts, 5 + 6 + 6);
	t.deepEqual(whole.outcomes, ["created", "linked", ...Array(5).fill("removed"), "updated"]);
	t.like(whole.state, { unchanged: 5, removed: 5, prune: { profiles: 12, gone: 5, left: 0 } });
	t.is(whole.state.next, undefined);
});

test("whether very many may go is decided over a whole run, however it is split", async (t) => {
	for (const [present, gone, refused] of [
		[188, 21, "TooManyGone"],
		[189, 21, undefined],
	] as const) {
		const { users, userPool, prune } = await open();
		for (const identity of people(present)) userPool.put(identity);
		// All that are gone come first: so far, each part sees nothing else.
		for (const identity of people(gone)) await users.register(identity);
		const accounts = userPool.list();
		const owners = await listAll(prune.profiles);
		const pages: Listing<ProfileOwner, never> = (token) =>
			token === undefined
				? okAsync({ items: owners, next: "1" })
				: okAsync({
						items: [...userPool.accounts.values()].map(({ identity }) => identity),
					});
		const { state } = await runInParts({
			users,
			userPool,
			accounts,
			prune: { ...prune, profiles: pages },
		});
		t.is(state.prune?.refused, refused);
		t.is(state.removed, refused ? 0 : gone);
	}
});

test("no more are removed than were counted, even if more are gone by then", async (t) => {
	const { users, userPool, prune, all } = await openWithAll();
	const options = { users, userPool, accounts: userPool.list(), concurrency: 4 };
	const approve = async () => {
		for (const { username } of all) userPool.accounts.delete(username);
		return true;
	};
	const summary = await reconcile({ ...options, prune: { ...prune, approve } });
	t.like(summary, { removed: 5, prune: { profiles: 12, gone: 5, left: 7 } });
	const found = await Promise.all(all.map(({ sub }) => users.findBySub(sub)));
	t.is(found.filter((user) => user.isOk()).length, 7);
});

test("a profile whose account is back by then is not removed", async (t) => {
	const { users, userPool, prune, all } = await openWithAll();
	const approve = async () => {
		for (const identity of all) userPool.put(identity);
		return true;
	};
	const accounts = userPool.list();
	const summary = await reconcile({ users, userPool, accounts, prune: { ...prune, approve } });
	t.like(summary, { removed: 0, prune: { gone: 5, left: 0 } });
});

test("a pool that lists nobody keeps its profiles in a run in parts, too", async (t) => {
	const { users, userPool, prune } = await open();
	const [known = person()] = people(1);
	await users.register(known);
	const { state } = await runInParts({ users, userPool, accounts: userPool.list(), prune });
	t.like(state, { listed: 0, removed: 0, prune: { profiles: 0, refused: "PoolListsNobody" } });
	t.true((await users.findBySub(known.sub)).isOk());
});

test("two at once agree, and leave what one would", async (t) => {
	const { table, users, userPool, prune, all } = await openWithAll();
	const run = () => runInParts({ users, userPool, accounts: userPool.list(2), prune });
	const states = (await Promise.all([run(), run()])).map(({ state }) => state);
	for (const state of states) t.like(state, { listed: 9, failed: 0, failures: [] });
	for (const { identity, confirmed, userId } of userPool.accounts.values()) {
		if (!confirmed) continue;
		t.like((await users.findBySub(identity.sub))._unsafeUnwrap(), { ...identity, userId });
	}
	const profiles = await Promise.all(all.map(({ sub }) => users.findBySub(sub)));
	t.is(profiles.filter((user) => user.isErr()).length, 5);
	const again = await reconcile({
		users,
		userPool,
		accounts: userPool.list(),
		prune: { ...prune, profiles: listProfiles(openTable(table)) },
	});
	t.like(again, { unchanged: 8, created: 0, updated: 0, linked: 0, removed: 0 });
});

test("a page whose token has expired stops a run where it is, and the page is done when the token is taken again", async (t) => {
	const { users, userPool } = await open();
	for (const identity of people(5)) userPool.put(identity);
	const list = userPool.list(2);
	let expired = true;
	const accounts: ReconcileOptions["accounts"] = (token) =>
		expired && token !== undefined ? errAsync({ type: "PageExpired" }) : list(token);
	const stopped = await reconcile({ users, userPool, accounts });
	t.like(stopped, {
		created: 2,
		stoppedBy: { type: "PageExpired" },
		next: { phase: "recording accounts", token: "2", done: 2 },
	});
	expired = false;
	const summary = await reconcile({ users, userPool, accounts, from: stopped });
	t.like(summary, { listed: 5, created: 5, stoppedBy: undefined, next: undefined });
});

test("the next page is read while one is worked on", async (t) => {
	const { users, userPool } = everybodyIsThere();
	const asked: number[] = [];
	const list = generated(180);
	let done = 0;
	await reconcile({
		users,
		userPool,
		accounts: (token) => {
			asked.push(done);
			return list(token);
		},
		onProgress: (progress) => (done = progress.done),
	});
	t.deepEqual(asked, [0, 0, asked[2] ?? 0]);
	t.true((asked[2] ?? 60) <= 60);
});
