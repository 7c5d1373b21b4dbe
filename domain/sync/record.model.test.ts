import { setTimeout } from "node:timers/promises";
import test from "ava";
import fc from "fast-check";
import { errAsync, ok, type ResultAsync, safeTry } from "neverthrow";
import { listAll } from "../../testing/listAll";
import { TestPool } from "../../testing/testPool";
import { openTestTable } from "../../testing/testTable";
import {
	type Account,
	createUsers,
	type Identity,
	openTable,
	recordUser,
	type User,
	type UserPool,
	type Users,
} from "..";
import { hasIdentity } from "../user/identity";
import { listProfiles } from "./listProfiles";
import { reconcile } from "./reconcile";

let table: Awaited<ReturnType<typeof openTestTable>>;
let users: Users;
test.before(async () => {
	table = await openTestTable();
	users = createUsers(openTable(table));
});
test.after.always(() => table.close());

/** What persons, administrators and the application do. Persons are a few, and meet often. */
type Deed =
	| { readonly deed: "signs up" | "is created"; readonly person: number; readonly email: string }
	| { readonly deed: "changes"; readonly person: number; readonly change: Partial<Identity> }
	| { readonly deed: "signs in" | "is deleted" | "is linked wrongly"; readonly person: number }
	| { readonly deed: "gets displayName"; readonly person: number; readonly to: string | null };

/** What happens at a call of a port while events are delivered or the pool is reconciled. */
type Incident = Deed | "nothing" | "fails" | "fails once done" | "answers late";

/** What happens to the events meanwhile; an event is any of those published, however old. */
type Step =
	| Deed
	| {
			readonly deed: "events arrive at once";
			readonly events: readonly number[];
			readonly incidents: readonly Incident[];
	  }
	| { readonly deed: "reconcile"; readonly incidents: readonly Incident[] };

const email = fc.constantFrom("a@example.com", "A@Example.com", "b@example.com", "B@example.com");
const change: fc.Arbitrary<Partial<Identity>> = fc.oneof(
	fc.record({ email, emailVerified: fc.boolean() }),
	fc.record({ name: fc.constantFrom("Ada", undefined) }),
	fc.record({ name: fc.constantFrom("Grace", undefined), email }),
);

/** Histories of a few persons; of one alone, events meet most often. */
const history = fc.constantFrom(1, 3).chain((persons) => {
	const person = fc.nat({ max: persons - 1 });
	const deed: fc.Arbitrary<Deed> = fc.oneof(
		{ weight: 3, arbitrary: fc.record({ deed: fc.constant("signs up"), person, email }) },
		{ weight: 1, arbitrary: fc.record({ deed: fc.constant("is created"), person, email }) },
		{ weight: 6, arbitrary: fc.record({ deed: fc.constant("changes"), person, change }) },
		{ weight: 3, arbitrary: fc.record({ deed: fc.constant("signs in"), person }) },
		{ weight: 1, arbitrary: fc.record({ deed: fc.constant("is deleted"), person }) },
		{ weight: 1, arbitrary: fc.record({ deed: fc.constant("is linked wrongly"), person }) },
		{
			weight: 1,
			arbitrary: fc.record({
				deed: fc.constant("gets displayName"),
				person,
				to: fc.constantFrom("Countess", "Admiral", null),
			}),
		},
	);
	const incidents = fc.array(
		fc.oneof<fc.Arbitrary<Incident>[]>(
			fc.constant("nothing"),
			fc.constantFrom("fails", "fails once done"),
			fc.constant("answers late"),
			deed,
		),
		{ maxLength: 8 },
	);
	const step: fc.Arbitrary<Step> = fc.oneof(
		{ weight: 5, arbitrary: deed },
		{
			weight: 5,
			arbitrary: fc.record({
				deed: fc.constant("events arrive at once"),
				// Which, counted from the newest.
				events: fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 4 }),
				incidents,
			}),
		},
		{ weight: 1, arbitrary: fc.record({ deed: fc.constant("reconcile"), incidents }) },
	);
	return fc.array(step, { maxLength: 30, size: "max" });
});

/** The subs of all runs are different, as Cognito's are. */
let subs = 0;

/** A pool, the events that were published of it, and what must still be true of its users. */
class World {
	readonly pool = new TestPool();
	readonly #run = ++subs;
	readonly #usernames = new Map<number, string>();
	readonly #events: Account[] = [];
	readonly #profiles = new Map<string, Pick<User, "userId" | "createdAt">>();
	readonly #displayNames = new Map<string, string | null>();
	/** All that Cognito ever said of a sub, oldest first. */
	readonly #said = new Map<string, Identity[]>();
	/** The newest of these that was ever in a profile. */
	readonly #ages = new Map<string, number>();
	/** The usernames that have passed to another account while one before it was being recorded. */
	readonly #passedOn = new Set<string>();
	/** Whose profile ever had this userId. */
	readonly #owners = new Map<string, string>();

	async take(step: Step): Promise<void> {
		switch (step.deed) {
			case "events arrive at once": {
				const record = recordUser(this.#ports(step.incidents));
				const events = step.events.flatMap((index) => this.#events.at(-1 - index) ?? []);
				const current = events.filter((event) => this.#isCurrent(event));
				await Promise.all(events.map((event) => record(event)));
				if (step.incidents.every((incident) => typeof incident === "string")) this.#linksAreRight();
				if (step.incidents.length === 0) await this.#areRecorded(current);
				break;
			}
			case "reconcile":
				await this.#reconcile(this.#ports(step.incidents));
				break;
			default:
				await this.#do(step);
		}
		await this.#nothingIsLost();
	}

	/** Everything is well after one run of reconcile that nothing disturbs. */
	async end(): Promise<void> {
		const summary = await this.#reconcile({ users, userPool: this.pool });
		equal(summary.failures, [], "reconcile fails");
		equal(summary.stoppedBy, undefined, "reconcile stops");
		await this.#nothingIsLost();

		const profiles = (await listAll(listProfiles(openTable(table)))).map(({ sub }) => sub);
		const confirmed = [...this.pool.accounts.values()].filter(({ confirmed }) => confirmed);
		equal(
			profiles.sort(),
			confirmed.map(({ identity }) => identity.sub).sort(),
			"accounts and profiles are not the same people",
		);
		for (const { identity, userId } of confirmed) {
			const user = (await users.findBySub(identity.sub))._unsafeUnwrap();
			equal(hasIdentity(user, identity), true, "a profile is not equal to its account");
			equal(userId, user.userId, "an account is not linked");
			const found = (await users.findByEmail(identity.email))._unsafeUnwrap();
			equal(found.email.toLowerCase(), identity.email.toLowerCase(), "an email finds another");
		}
		equal(
			(await this.#reconcile({ users, userPool: this.pool })).unchanged,
			confirmed.length,
			"it does not rest",
		);
		for (const sub of profiles) await users.remove(sub);
	}

	#reconcile(ports: { readonly users: Users; readonly userPool: UserPool }) {
		return reconcile({
			...ports,
			accounts: this.pool.list(2),
			prune: { profiles: listProfiles(openTable(table)), force: true, approve: async () => true },
		});
	}

	/** The account of a person, if there is one. */
	#account(person: number) {
		return this.pool.accounts.get(this.#usernames.get(person) ?? "");
	}

	async #do(deed: Deed, meanwhile = false): Promise<void> {
		const account = this.#account(deed.person);
		if (deed.deed === "signs up" || deed.deed === "is created") {
			if (account) return;
			const sub = `sub-${++subs}`;
			// Some come from an identity provider: they are called the same when they come back.
			const username = deed.person === 0 ? `Google_${this.#run}-${deed.person}` : sub;
			this.#usernames.set(deed.person, username);
			if (meanwhile) this.#passedOn.add(username);
			const identity = { sub, username, email: deed.email, emailVerified: true };
			const signsUp = deed.deed === "signs up";
			const made = this.#put(identity, signsUp);
			if (signsUp) this.#events.push(made);
			return;
		}
		if (!account) return;
		const { identity } = account;
		switch (deed.deed) {
			case "changes":
				this.#put({ ...identity, ...deed.change }, account.confirmed);
				break;
			case "signs in":
				this.#events.push(this.pool.put(identity));
				break;
			case "is deleted":
				this.pool.accounts.delete(identity.username);
				break;
			case "is linked wrongly":
				this.pool.link(identity.username, "somebody-else");
				break;
			case "gets displayName": {
				const updated = await users.update(identity.sub, { displayName: deed.to });
				if (updated.isOk()) this.#displayNames.set(identity.sub, deed.to);
			}
		}
	}

	/** Which of the things that Cognito ever said a profile says; the newest, if it was said again. */
	#ageOf(user: User): number {
		return (this.#said.get(user.sub) ?? []).findLastIndex((said) => hasIdentity(user, said));
	}

	#put(identity: Identity, confirmed: boolean): Account {
		this.#said.set(identity.sub, [...(this.#said.get(identity.sub) ?? []), identity]);
		return this.pool.put(identity, confirmed);
	}

	/** Ports at whose calls the incidents happen, one at each, until there are no more. */
	#ports(incidents: readonly Incident[]): { readonly users: Users; readonly userPool: UserPool } {
		const left = [...incidents];
		const around = <T, E, F>(failure: F, call: () => ResultAsync<T, E>): ResultAsync<T, E | F> => {
			const world = this;
			return safeTry<T, E | F>(async function* () {
				const incident = left.shift() ?? "nothing";
				if (incident === "fails") yield* errAsync(failure);
				if (typeof incident === "object") await world.#do(incident, true);
				const value = yield* call();
				// Later than what others have under way.
				if (incident === "answers late") await setTimeout(15);
				if (incident === "fails once done") yield* errAsync(failure);
				return ok(value);
			});
		};
		const { pool } = this;
		return {
			users: {
				...users,
				register: (identity) =>
					around(storeFails, () =>
						users.register(identity).andTee(({ userId }) => this.#owners.set(userId, identity.sub)),
					),
				findBySub: (sub) => around(storeFails, () => users.findBySub(sub)),
				replaceIdentity: (user, identity) =>
					around(storeFails, () =>
						users.replaceIdentity(user, identity).andTee((replaced) => {
							const age = Math.max(this.#ageOf(replaced), this.#ages.get(user.sub) ?? 0);
							this.#ages.set(user.sub, age);
						}),
					),
				remove: (sub) => around(storeFails, () => users.remove(sub)),
			},
			userPool: {
				findAccount: (username) => around(poolFails, () => pool.findAccount(username)),
				findUsername: (sub) => around(poolFails, () => pool.findUsername(sub)),
				link: (username, userId) => around(poolFails, () => pool.link(username, userId)),
			},
		};
	}

	/** No profile of an account that exists is ever lost, made anew, set back, or loses what the application wrote. */
	async #nothingIsLost(): Promise<void> {
		for (const { identity } of this.pool.accounts.values()) {
			const { sub } = identity;
			const known = this.#profiles.get(sub);
			const found = await users.findBySub(sub);
			if (found.isErr()) {
				equal([found.error.type, known], ["UserNotFound", undefined], "a profile is lost");
				continue;
			}
			const { userId, createdAt, displayName } = found.value;
			if (known) {
				equal([userId, createdAt], [known.userId, known.createdAt], "a profile was made anew");
			}
			this.#profiles.set(sub, { userId, createdAt });
			const age = this.#ageOf(found.value);
			equal(
				age >= (this.#ages.get(sub) ?? 0),
				true,
				"a profile was set back, or says what was never said",
			);
			this.#ages.set(sub, age);
			equal(displayName ?? null, this.#displayNames.get(sub) ?? null, "displayName is not kept");
		}
	}

	/** No account is linked to another's profile, unless it has got its username while the one before was being recorded. */
	#linksAreRight(): void {
		for (const { identity, userId = "" } of this.pool.accounts.values()) {
			if (this.#passedOn.has(identity.username)) continue;
			const owner = this.#owners.get(userId) ?? identity.sub;
			equal(owner, identity.sub, "an account is linked to another's profile");
		}
	}

	/** Whether an event says what Cognito says now. */
	#isCurrent({ identity, userId }: Account): boolean {
		const account = this.pool.accounts.get(identity.username);
		return account?.identity === identity && account.userId === userId;
	}

	async #areRecorded(events: readonly Account[]): Promise<void> {
		for (const { identity } of events) {
			const user = (await users.findBySub(identity.sub))._unsafeUnwrap();
			equal(hasIdentity(user, identity), true, "what was told is not recorded");
			equal(this.pool.accounts.get(identity.username)?.userId, user.userId, "no link is written");
		}
	}
}

const storeFails = { type: "StoreUnavailable", retryable: true, cause: "model" } as const;
const poolFails = { type: "UserPoolUnavailable", retryable: true, cause: "model" } as const;

function equal(actual: unknown, expected: unknown, otherwise: string): void {
	const [is, should] = [actual, expected].map((value) => JSON.stringify(value));
	if (is !== should) throw new Error(`${otherwise}: ${is}, not ${should}`);
}

/** Of two deliveries at once, the one that read the account first writes last. */
const overtaken: Step[] = [
	{ deed: "signs up", person: 0, email: "a@example.com" },
	{ deed: "events arrive at once", events: [0], incidents: [] },
	{ deed: "changes", person: 0, change: { name: "Ada" } },
	{ deed: "signs in", person: 0 },
	{
		deed: "events arrive at once",
		events: [0, 0],
		incidents: [
			"nothing",
			"nothing",
			"answers late",
			{ deed: "changes", person: 0, change: { name: "Grace" } },
		],
	},
];

test("whatever happens, in whatever order and at once, no user is lost, and one reconcile makes table and pool agree", async (t) => {
	t.timeout(600_000);
	await fc.assert(
		fc.asyncProperty(history, async (steps) => {
			const world = new World();
			for (const step of steps) await world.take(step);
			await world.end();
		}),
		{ numRuns: Number(process.env.MODEL_RUNS ?? 100), examples: [[overtaken]] },
	);
	t.pass();
});
