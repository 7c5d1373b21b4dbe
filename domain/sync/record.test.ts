import { randomUUID } from "node:crypto";
import test from "ava";
import { err, errAsync, ok } from "neverthrow";
import { TestPool } from "../../testing/testPool";
import { openTestTable } from "../../testing/testTable";
import { createUsers, type Identity, openTable, recordUser, type UserPool, type Users } from "..";

let table: Awaited<ReturnType<typeof openTestTable>>;
let users: Users;
test.before(async () => {
	table = await openTestTable();
	users = createUsers(openTable(table));
});
test.after.always(() => table.close());

/** A user pool that tells which calls were made of it. */
class Pool extends TestPool {
	readonly calls: string[] = [];

	override findAccount(username: string) {
		this.calls.push("findAccount");
		return super.findAccount(username);
	}

	override findUsername(sub: string) {
		this.calls.push("findUsername");
		return super.findUsername(sub);
	}

	override link(username: string, userId: string) {
		this.calls.push("link");
		return super.link(username, userId);
	}
}

function person(changes: Partial<Identity> = {}): Identity {
	const sub = randomUUID();
	return { sub, username: sub, email: `${sub}@example.com`, emailVerified: true, ...changes };
}

function open() {
	const pool = new Pool();
	return { pool, record: recordUser({ users, userPool: pool }) };
}

test("a new account gets a profile, linked both ways", async (t) => {
	const { pool, record } = open();
	const identity = person();
	const recorded = (await record(pool.put(identity)))._unsafeUnwrap();
	t.like(recorded, { outcome: "created", user: identity });
	const user = (await users.findBySub(identity.sub))._unsafeUnwrap();
	t.is(pool.accounts.get(identity.username)?.userId, user.userId);
});

test("an account that is recorded and linked is left as it is, and Cognito is not asked", async (t) => {
	const { pool, record } = open();
	const identity = person();
	const created = (await record(pool.put(identity)))._unsafeUnwrap();
	pool.calls.length = 0;
	const again = (await record(pool.put(identity)))._unsafeUnwrap();
	t.deepEqual(again, { ...created, outcome: "unchanged" });
	t.deepEqual(pool.calls, []);
});

test("an account that changed in Cognito changes its profile, which keeps its userId and its own fields", async (t) => {
	const { pool, record } = open();
	const identity = person({ name: "Ada Byron" });
	await record(pool.put(identity));
	const before = (await users.update(identity.sub, { displayName: "Ada" }))._unsafeUnwrap();
	const changed = { ...identity, name: "Ada Lovelace", email: `new-${identity.email}` };
	t.is((await record(pool.put(changed)))._unsafeUnwrap().outcome, "updated");
	t.like((await users.findByEmail(changed.email))._unsafeUnwrap(), {
		...changed,
		displayName: "Ada",
		userId: before.userId,
		createdAt: before.createdAt,
	});
});

test("an event that is late does not undo what came after it", async (t) => {
	const { pool, record } = open();
	const old = pool.put(person({ name: "old" }));
	const current = pool.put({ ...old.identity, name: "new" });
	t.is((await record(current))._unsafeUnwrap().outcome, "created");
	await record(old);
	t.is((await users.findBySub(old.identity.sub))._unsafeUnwrap().name, "new");
});

test("an event that is late and comes first makes the profile that Cognito tells of now", async (t) => {
	const { pool, record } = open();
	const old = pool.put(person({ name: "old" }));
	pool.put({ ...old.identity, name: "new" });
	t.like((await record(old))._unsafeUnwrap(), { outcome: "created", user: { name: "new" } });
});

test("a late event gives no email back to a person who has moved on from it", async (t) => {
	const { pool, record } = open();
	const email = `${randomUUID()}@example.com`;
	const late = pool.put(person({ email }));
	const ada = late.identity;
	pool.put({ ...ada, email: `moved-${email}` });
	const bob = pool.put(person({ email }));
	await record(bob);
	await record(late);
	t.is((await users.findByEmail(email))._unsafeUnwrap().sub, bob.identity.sub);
	t.is((await users.findByEmail(`moved-${email}`))._unsafeUnwrap().sub, ada.sub);
});

test("a person whose profile is lost has the same userId once it is back, and the link is left as it is", async (t) => {
	const { pool, record } = open();
	const { identity } = pool.put(person());
	await record({ identity });
	const { userId } = (await users.findBySub(identity.sub))._unsafeUnwrap();
	for (const hint of [{ identity, userId }, { identity }]) {
		await users.remove(identity.sub);
		pool.calls.length = 0;
		t.like((await record(hint))._unsafeUnwrap(), { outcome: "created", user: { userId } });
		t.deepEqual(pool.calls, ["findAccount", "findAccount"]);
	}
});

test("a linked account that is deleted while its profile seems lost leaves none", async (t) => {
	const { pool, record } = open();
	const { identity } = pool.put(person());
	await record({ identity });
	await users.remove(identity.sub);
	// The account goes after Cognito was asked, and before the profile is put.
	const late: Users = {
		...users,
		findByUserId: (userId) => {
			pool.accounts.delete(identity.username);
			return users.findByUserId(userId);
		},
	};
	const recorded = await recordUser({ users: late, userPool: pool })({ identity });
	t.deepEqual(recorded._unsafeUnwrap(), { outcome: "removed" });
	t.is((await users.findBySub(identity.sub))._unsafeUnwrapErr().type, "UserNotFound");
});

for (const [what, link] of [
	["another profile's", async () => (await users.register(person()))._unsafeUnwrap().userId],
	["no UUID", async () => "administrator-1"],
] as const) {
	test(`a link that is ${what} gives no userId, and is overwritten`, async (t) => {
		const { pool, record } = open();
		const { identity } = pool.put(person());
		const linked = await link();
		pool.link(identity.username, linked);
		for (const userId of [linked, undefined]) {
			await users.remove(identity.sub);
			await record({ identity, ...(userId && { userId }) });
			const made = (await users.findBySub(identity.sub))._unsafeUnwrap();
			t.not(made.userId, linked);
			t.is(pool.accounts.get(identity.username)?.userId, made.userId);
		}
	});
}

test("an account that is not confirmed makes no profile, whatever told of it", async (t) => {
	const { pool, record } = open();
	const account = pool.put(person(), false);
	for (const hint of [account, { ...account, userId: randomUUID() }]) {
		t.deepEqual((await record(hint))._unsafeUnwrap(), { outcome: "unconfirmed" });
	}
	t.is((await users.findBySub(account.identity.sub))._unsafeUnwrapErr().type, "UserNotFound");
	pool.put(account.identity, true);
	t.is((await record(account))._unsafeUnwrap().outcome, "created");
});

test("what somebody makes up makes recordUser look, and changes nothing", async (t) => {
	const { pool, record } = open();
	const [ada, eve] = [person(), person({ username: `Google_${randomUUID()}` })];
	for (const identity of [ada, eve]) await record(pool.put(identity));
	const before = (await users.findBySub(ada.sub))._unsafeUnwrap();
	const eves = (await users.findBySub(eve.sub))._unsafeUnwrap();
	for (const forged of [
		{ identity: { ...ada, email: "eve@example.com" } },
		{ identity: { ...ada, email: "eve@example.com" }, userId: before.userId },
		{ identity: { ...ada, username: "nobody" } },
		{ identity: { ...ada, username: "nobody" }, userId: before.userId },
		{ identity: { ...ada, username: eve.username } },
		{ identity: { ...ada, username: eve.username }, userId: eves.userId },
		{ identity: ada, userId: eves.userId },
		{ identity: ada },
	]) {
		t.deepEqual((await record(forged))._unsafeUnwrap(), { outcome: "unchanged", user: before });
	}
	const nobody = { identity: person() };
	t.deepEqual((await record(nobody))._unsafeUnwrap(), { outcome: "absent" });
	t.deepEqual((await users.findBySub(eve.sub))._unsafeUnwrap(), eves);
	t.is(pool.accounts.get(ada.username)?.userId, before.userId);
	t.is(pool.accounts.get(eve.username)?.userId, eves.userId);
});

test("what somebody makes up of an account that is just being recorded does not take its profile away", async (t) => {
	const { pool, record } = open();
	const account = pool.put(person());
	const { sub } = account.identity;
	const meanwhile: Users = {
		...users,
		// Between the look-up and what follows from it, the account is recorded.
		findBySub: (wanted) =>
			users.findBySub(wanted).orElse((error) =>
				record(account)
					.orElse(() => ok(undefined))
					.andThen(() => err(error)),
			),
	};
	const forged = { identity: { ...account.identity, username: "nobody" } };
	await recordUser({ users: meanwhile, userPool: pool })(forged);
	t.true((await users.findBySub(sub)).isOk());
});

test("what Cognito has told a moment ago is believed of a new account alone, and saves the question", async (t) => {
	const { pool, record } = open();
	const account = pool.put(person({ name: "Ada" }));
	t.like((await record(account, "fact"))._unsafeUnwrap(), {
		outcome: "created",
		user: account.identity,
	});
	t.deepEqual(pool.calls, ["link"]);
	pool.put({ ...account.identity, name: "Grace" });
	const stale = { identity: { ...account.identity, name: "Eve" } };
	t.like((await record(stale, "fact"))._unsafeUnwrap(), {
		outcome: "updated",
		user: { name: "Grace" },
	});
});

test("a link that is missing or wrong is written again", async (t) => {
	const { pool, record } = open();
	const account = pool.put(person());
	await record(account);
	const { userId } = (await users.findBySub(account.identity.sub))._unsafeUnwrap();
	for (const wrong of [undefined, "somebody-else"]) {
		pool.link(account.identity.username, wrong ?? "");
		const hint = { identity: account.identity, ...(wrong && { userId: wrong }) };
		t.is((await record(hint))._unsafeUnwrap().outcome, "linked");
		t.is(pool.accounts.get(account.identity.username)?.userId, userId);
	}
});

test("a userId that an account brings along is not believed", async (t) => {
	const { pool, record } = open();
	const account = pool.put(person());
	pool.link(account.identity.username, "evil");
	const recorded = (await record({ ...account, userId: "evil" }))._unsafeUnwrap();
	t.is(recorded.outcome, "created");
	const { userId } = (await users.findBySub(account.identity.sub))._unsafeUnwrap();
	t.not(userId, "evil");
	t.is(pool.accounts.get(account.identity.username)?.userId, userId);
});

test("an account that is gone leaves no profile, whether it had one or not", async (t) => {
	const { pool, record } = open();
	const never = person();
	t.deepEqual((await record({ identity: never }))._unsafeUnwrap(), { outcome: "absent" });
	const once = pool.put(person());
	await record(once);
	pool.accounts.delete(once.identity.username);
	const changed = { identity: { ...once.identity, name: "changed" } };
	t.deepEqual((await record(changed))._unsafeUnwrap(), { outcome: "removed" });
	for (const { sub } of [never, once.identity]) {
		t.is((await users.findBySub(sub))._unsafeUnwrapErr().type, "UserNotFound");
	}
});

test("an event of a deleted account that says nothing new is believed, at one round trip: reconcile prunes the profile", async (t) => {
	const { pool, record } = open();
	const { identity } = pool.put(person());
	const { userId } = (await users.register(identity))._unsafeUnwrap();
	pool.accounts.delete(identity.username);
	t.is((await record({ identity, userId }))._unsafeUnwrap().outcome, "unchanged");
	t.deepEqual(pool.calls, []);
});

test("of a sub alone, a new account is recorded, a changed one changed, and a link written", async (t) => {
	const { pool, record } = open();
	const { identity } = pool.put(person({ name: "Ada Byron" }));
	const { sub, username } = identity;
	const outcome = async () => (await record({ sub }))._unsafeUnwrap().outcome;
	t.is(await outcome(), "created");
	const { userId } = (await users.findBySub(sub))._unsafeUnwrap();
	t.is(pool.accounts.get(username)?.userId, userId);
	pool.calls.length = 0;
	t.is(await outcome(), "unchanged");
	t.deepEqual(pool.calls, ["findAccount"]);
	pool.put({ ...identity, name: "Ada Lovelace" });
	t.is(await outcome(), "updated");
	t.like((await users.findBySub(sub))._unsafeUnwrap(), { name: "Ada Lovelace", userId });
	pool.link(username, "somebody-else");
	t.is(await outcome(), "linked");
	await users.remove(sub);
	t.is(await outcome(), "created");
	t.is((await users.findBySub(sub))._unsafeUnwrap().userId, userId);
});

test("of a sub alone, the profile of an account that is gone is removed, and of nobody's sub nothing is left", async (t) => {
	const { pool, record } = open();
	const gone = pool.put(person());
	await record(gone);
	pool.accounts.delete(gone.identity.username);
	const { sub } = gone.identity;
	t.deepEqual((await record({ sub }))._unsafeUnwrap(), { outcome: "removed" });
	t.deepEqual((await record({ sub }))._unsafeUnwrap(), { outcome: "absent" });
	t.is((await users.findBySub(sub))._unsafeUnwrapErr().type, "UserNotFound");
	const unconfirmed = pool.put(person(), false).identity;
	t.deepEqual((await record({ sub: unconfirmed.sub }))._unsafeUnwrap(), { outcome: "unconfirmed" });
});

test("of a federated account's sub alone, the account is found under its own username, and never taken for gone", async (t) => {
	const { pool, record } = open();
	const { identity } = pool.put(person({ username: `Google_${randomUUID()}` }));
	const { sub, username } = identity;
	t.is((await record({ sub }))._unsafeUnwrap().outcome, "created");
	t.deepEqual(pool.calls, ["findAccount", "findUsername", "findAccount", "link"]);
	pool.calls.length = 0;
	t.is((await record({ sub }))._unsafeUnwrap().outcome, "unchanged");
	t.deepEqual(pool.calls, ["findAccount"]);
	pool.accounts.delete(username);
	t.is((await record({ sub }))._unsafeUnwrap().outcome, "removed");
});

test("a username that was taken again links no profile of the account that had it before", async (t) => {
	const { pool, record } = open();
	const username = `Google_${randomUUID()}`;
	const before = person({ username });
	const now = pool.put(person({ username }));
	t.deepEqual((await record({ identity: before }))._unsafeUnwrap(), { outcome: "absent" });
	t.is(pool.accounts.get(username)?.userId, undefined);
	t.is((await record(now))._unsafeUnwrap().outcome, "created");
});

test("ten at once for a new account make one profile, with one userId in both places", async (t) => {
	const { pool, record } = open();
	const account = pool.put(person());
	const results = await Promise.all(Array.from({ length: 10 }, () => record(account)));
	t.true(results.every((result) => result.isOk()));
	const { userId } = (await users.findBySub(account.identity.sub))._unsafeUnwrap();
	t.is(pool.accounts.get(account.identity.username)?.userId, userId);
});

test("ten at once for an account that changed leave what Cognito says", async (t) => {
	const { pool, record } = open();
	const account = pool.put(person({ name: "old" }));
	await record(account);
	const changed = pool.put({ ...account.identity, name: "new" });
	const results = await Promise.all(Array.from({ length: 10 }, () => record(changed)));
	t.deepEqual(
		results.filter((result) => result.isErr()),
		[],
	);
	t.is((await users.findBySub(account.identity.sub))._unsafeUnwrap().name, "new");
});

test("a lock that is always lost ends in ConcurrentUpdate, and Cognito is asked anew each time", async (t) => {
	const { pool } = open();
	const account = pool.put(person({ name: "old" }));
	await recordUser({ users, userPool: pool })(account);
	const changed = pool.put({ ...account.identity, name: "new" });
	pool.calls.length = 0;
	const contended: Users = {
		...users,
		replaceIdentity: () => errAsync({ type: "ConcurrentUpdate" }),
	};
	const lost = await recordUser({ users: contended, userPool: pool })(changed);
	t.deepEqual(lost._unsafeUnwrapErr(), { type: "ConcurrentUpdate" });
	t.deepEqual(
		pool.calls,
		Array.from({ length: 5 }, () => "findAccount"),
	);
});

test("a pool that is unavailable is an error, and the next run finishes the work", async (t) => {
	const { pool, record } = open();
	const account = pool.put(person());
	const unavailable = { type: "UserPoolUnavailable", retryable: true, cause: undefined } as const;
	const broken: UserPool = {
		findAccount: () => errAsync(unavailable),
		findUsername: () => errAsync(unavailable),
		link: () => errAsync(unavailable),
	};
	const failed = await recordUser({ users, userPool: broken })(account);
	t.deepEqual(failed._unsafeUnwrapErr(), unavailable);
	t.is((await record(account))._unsafeUnwrap().outcome, "created");
});

test("a link that cannot be written is an error, and the next run writes it", async (t) => {
	const { pool, record } = open();
	const account = pool.put(person());
	const unavailable = { type: "UserPoolUnavailable", retryable: true, cause: undefined } as const;
	const broken: UserPool = {
		findAccount: (username) => pool.findAccount(username),
		findUsername: (sub) => pool.findUsername(sub),
		link: () => errAsync(unavailable),
	};
	const failed = await recordUser({ users, userPool: broken })(account);
	t.deepEqual(failed._unsafeUnwrapErr(), unavailable);
	t.is((await record(account))._unsafeUnwrap().outcome, "linked");
});
