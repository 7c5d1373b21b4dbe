import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import test from "ava";
import fc from "fast-check";
import { copyProject, edit } from "../../testing/adoptedProject";
import { TestPool } from "../../testing/testPool";
import { openTestTable } from "../../testing/testTable";
import {
	type Account,
	createUsers,
	type Identity,
	openTable,
	type User,
	type Users,
} from "../index";
import { hasIdentity } from "../user/identity";
import type { Told } from "./record";

// What is true once every hint that was not lost has come, in whatever order, without reconcile.

type Domain = typeof import("../index") & typeof import("../user/identity");

let table: Awaited<ReturnType<typeof openTestTable>>;
let users: Users;
/** This version of the code and a newer one, which knows one attribute more, side by side on one table. */
let versions: readonly [Domain, Domain];

test.before(async () => {
	table = await openTestTable();
	users = createUsers(openTable(table));
	const directory = await copyProject();
	await edit(directory, "domain/user/attributes.ts", (source) =>
		source.replace(
			/^export const identityAttributes = {\n/m,
			(line) => `${line}testMotto: { cognito: "custom:testMotto", type: "string", maxLength: 20 },`,
		),
	);
	versions = [load(dirname(__dirname)), load(join(directory, "domain"))];
	await rm(directory, { recursive: true });
});
test.after.always(() => table.close());

const load = (domain: string): Domain => ({
	...require(join(domain, "index")),
	...require(join(domain, "user/identity")),
});

/** What becomes of the hint that a deed gives, at the next delivery. */
type Fate = "comes" | "comes twice" | "comes much later" | "is lost";

/** Who tells of a deed: a trigger all that Cognito says, the trail of Cognito's calls no more than the `sub`. */
type Teller = "trigger" | "trail";

type Deed = { readonly person: number; readonly fate: Fate; readonly teller: Teller } & (
	| { readonly deed: "signs up"; readonly email: number; readonly confirms: boolean }
	| { readonly deed: "signs in with somebody's address, unverified"; readonly email: number }
	| { readonly deed: "moves to another email"; readonly email: number }
	| { readonly deed: "is called"; readonly name: string | undefined }
	| { readonly deed: "chooses a motto"; readonly motto: string }
	| { readonly deed: "is confirmed" | "signs in" | "is deleted" }
	| { readonly deed: "loses the verification" | "is verified" }
	| { readonly deed: "loses the profile" | "is linked wrongly" }
	| {
			readonly deed: "is forged";
			readonly email: number;
			readonly username: number | undefined;
			readonly userIdOf: number | undefined;
	  }
);

type Step =
	| Deed
	| {
			readonly deed: "the hints come";
			readonly order: readonly number[];
			/** Which version of the code takes each of them. */
			readonly versions: readonly (0 | 1)[];
	  };

const persons = 3;
const person = fc.nat({ max: persons - 1 });
const email = fc.nat({ max: 2 });
const fate = fc.oneof(
	{ weight: 6, arbitrary: fc.constant<Fate>("comes") },
	{ weight: 1, arbitrary: fc.constantFrom<Fate>("comes twice", "comes much later", "is lost") },
);
const teller = fc.constantFrom<Teller>("trigger", "trail");
const deed = (weight: number, record: Record<string, fc.Arbitrary<unknown>>) => ({
	weight,
	// Each record below is one of the deeds.
	arbitrary: fc.record({ person, fate, teller, ...record }) as fc.Arbitrary<Deed>,
});
const only = <T extends string>(...deeds: T[]) => ({ deed: fc.constantFrom(...deeds) });
const step: fc.Arbitrary<Step> = fc.oneof(
	deed(5, { ...only("signs up"), email, confirms: fc.boolean() }),
	deed(2, { ...only("signs in with somebody's address, unverified"), email }),
	deed(4, { ...only("moves to another email"), email }),
	deed(2, { ...only("is called"), name: fc.constantFrom("Ada", "Grace", undefined) }),
	deed(1, { ...only("chooses a motto"), motto: fc.constantFrom("onward", "upward") }),
	deed(6, only("is confirmed", "signs in")),
	deed(3, only("loses the verification", "is verified")),
	deed(2, only("is deleted")),
	deed(3, only("loses the profile", "is linked wrongly")),
	deed(2, {
		...only("is forged"),
		email,
		username: fc.option(person, { nil: undefined }),
		userIdOf: fc.option(person, { nil: undefined }),
	}),
	{
		weight: 5,
		arbitrary: fc.record({
			deed: fc.constant("the hints come" as const),
			order: fc.array(fc.nat({ max: 9 }), { maxLength: 10 }),
			versions: fc.array(fc.constantFrom<(0 | 1)[]>(0, 1), { maxLength: 10 }),
		}),
	},
);

/** A hint, and the number of the account's change that it tells of; a forged one tells of none. */
interface Hint {
	readonly told: Told;
	readonly change: number | undefined;
	readonly late: boolean;
}

/** A pool, the hints under way, and what must be true once they have come. */
class World {
	readonly #run = randomUUID().slice(0, 8);
	readonly pool = new TestPool();
	readonly #records = versions.map((version) => this.#recordOf(version));
	readonly #usernames = new Map<number, string>();
	readonly #underWay: Hint[] = [];
	/** By sub: how often its account was changed, and the newest change that a hint has told of since. */
	readonly #changes = new Map<string, number>();
	readonly #heard = new Map<string, number>();
	/** The same of what the newer version has heard. */
	readonly #heardByNewer = new Map<string, number>();
	/** By sub: the userId that its first profile had, which the application may have keyed by. */
	readonly #userIds = new Map<string, string>();
	readonly #subs = new Set<string>();
	#count = 0;

	#email(email: number): string {
		return `${["ada", "bob", "eve"][email]}.${this.#run}@example.com`;
	}

	#account(person: number) {
		return this.pool.accounts.get(this.#usernames.get(person) ?? "");
	}

	#find(sub: string) {
		return [...this.pool.accounts.values()].find(({ identity }) => identity.sub === sub);
	}

	/** Cognito lets one account at most have an email verified. */
	#holder(email: string) {
		return [...this.pool.accounts.values()].find(
			({ identity }) => identity.emailVerified && identity.email === email,
		);
	}

	/** What a version of the code makes of a hint, and of the pool: it knows nothing of attributes that are not in its registry. */
	#recordOf({ createUsers, openTable, readIdentity, recordUser }: Domain) {
		const known = <A extends Account>(account: A): A => ({
			...account,
			identity: readIdentity(account.identity)._unsafeUnwrap(),
		});
		const record = recordUser({
			users: createUsers(openTable(table)),
			userPool: {
				findAccount: (username) => this.pool.findAccount(username).map(known),
				findUsername: (sub) => this.pool.findUsername(sub),
				link: (username, userId) => this.pool.link(username, userId),
			},
		});
		return (told: Told) => record("identity" in told ? known(told) : told);
	}

	async take(step: Step): Promise<void> {
		if (step.deed === "the hints come") {
			await this.#deliver(step.order, step.versions);
			await this.#isTrue();
		} else await this.#do(step);
	}

	async end(): Promise<void> {
		await this.#deliver([], [], "the late ones too");
		await this.#isTrue();
		for (const sub of this.#subs) await users.remove(sub);
	}

	async #do(deed: Deed): Promise<void> {
		const account = this.#account(deed.person);
		if (deed.deed === "signs up" || deed.deed === "signs in with somebody's address, unverified") {
			const email = this.#email(deed.email);
			const verified = deed.deed === "signs up";
			if (account || (verified && this.#holder(email))) return;
			const sub = `${this.#run}-${++this.#count}`;
			// A federated account has the same name when it comes back.
			const username = verified ? sub : `Google_${this.#run}-${deed.person}`;
			this.#usernames.set(deed.person, username);
			this.#subs.add(sub);
			const confirmed = deed.deed !== "signs up" || deed.confirms;
			this.#change({ sub, username, email, emailVerified: verified }, confirmed, deed);
			return;
		}
		if (deed.deed === "is forged") {
			this.#forge(deed);
			return;
		}
		if (!account) return;
		const { identity, confirmed } = account;
		switch (deed.deed) {
			case "moves to another email": {
				const email = this.#email(deed.email);
				if (identity.emailVerified && this.#holder(email)) return;
				return this.#change({ ...identity, email }, confirmed, deed);
			}
			case "is verified":
				if (this.#holder(identity.email)) return;
				return this.#change({ ...identity, emailVerified: true }, confirmed, deed);
			case "loses the verification":
				return this.#change({ ...identity, emailVerified: false }, confirmed, deed);
			case "chooses a motto": {
				// An attribute that this version does not know.
				const changed: Identity & { testMotto: string } = { ...identity, testMotto: deed.motto };
				return this.#change(changed, confirmed, deed);
			}
			case "is called":
				return this.#change({ ...identity, name: deed.name }, confirmed, deed);
			case "is confirmed":
			case "signs in":
				return this.#change(identity, true, deed);
			case "is deleted":
				// Of which no trigger tells.
				this.pool.accounts.delete(identity.username);
				return this.#hint({ identity }, this.#changed(identity.sub), { ...deed, teller: "trail" });
			case "is linked wrongly":
				this.pool.link(identity.username, randomUUID());
				await this.#forgetLostUserId(identity.sub);
				return this.#change(identity, confirmed, deed);
			case "loses the profile":
				if (!confirmed) return;
				await users.remove(identity.sub);
				await this.#forgetLostUserId(identity.sub);
				return this.#change(identity, confirmed, deed);
		}
	}

	/** What somebody says who may put events on the bus, of a person's sub. */
	#forge({ person, email, username, userIdOf }: Extract<Deed, { deed: "is forged" }>): void {
		const sub = this.#account(person)?.identity.sub ?? [...this.#subs].at(-1);
		if (sub === undefined) return;
		const userId = userIdOf === undefined ? undefined : this.#account(userIdOf)?.userId;
		this.#underWay.push({
			told: {
				identity: {
					sub,
					username: username === undefined ? sub : (this.#usernames.get(username) ?? "nobody"),
					email: this.#email(email),
					emailVerified: true,
				},
				...(userId && { userId }),
			},
			change: undefined,
			late: false,
		});
	}

	#changed(sub: string): number {
		const change = (this.#changes.get(sub) ?? 0) + 1;
		this.#changes.set(sub, change);
		return change;
	}

	#change(identity: Identity, confirmed: boolean, how: Pick<Deed, "fate" | "teller">): void {
		this.#hint(this.pool.put(identity, confirmed), this.#changed(identity.sub), how);
	}

	#hint(
		{ identity, userId }: Account,
		change: number,
		{ fate, teller }: Pick<Deed, "fate" | "teller">,
	): void {
		if (fate === "is lost") return;
		const account = { identity, ...(userId && { userId }) };
		const told = teller === "trail" ? { sub: identity.sub } : account;
		const hint = { told, change, late: fate === "comes much later" };
		this.#underWay.push(hint);
		if (fate === "comes twice") this.#underWay.push(hint);
	}

	/** Delivers the hints under way, each time the one at the next place of the order; then those that are left, from the newest. */
	async #deliver(
		order: readonly number[],
		versions: readonly (0 | 1)[],
		late?: "the late ones too",
	): Promise<void> {
		const [places, takers] = [[...order], [...versions]];
		const left = this.#underWay.filter((hint) => hint.late && !late);
		let due = this.#underWay.filter((hint) => !left.includes(hint));
		while (due.length > 0) {
			const next = due.at((places.shift() ?? 0) % due.length);
			if (!next) break;
			due = due.filter((hint) => hint !== next);
			// Claims of one and the same millisecond have no order.
			const now = Date.now();
			while (Date.now() === now) await setImmediate();
			const version = takers.shift() ?? 0;
			const recorded = await this.#records[version]?.(next.told);
			if (!recorded) continue;
			equal(recorded.isErr() && recorded.error, false, "a hint is not consumed");
			const { sub } = "identity" in next.told ? next.told.identity : next.told;
			const { outcome } = recorded._unsafeUnwrap();
			// Where there was something to do, Cognito was asked of this very account; else the hint alone has told.
			const wasAsked =
				!("identity" in next.told) ||
				(outcome !== "unchanged" && (outcome !== "absent" || !this.#find(sub)));
			const change = wasAsked ? this.#changes.get(sub) : next.change;
			for (const heard of version ? [this.#heard, this.#heardByNewer] : [this.#heard]) {
				heard.set(sub, Math.max(change ?? 0, heard.get(sub) ?? 0));
			}
			await this.#keepUserIds();
		}
		this.#underWay.splice(0, this.#underWay.length, ...left);
	}

	async #keepUserIds(): Promise<void> {
		for (const sub of this.#subs) {
			const found = await users.findBySub(sub);
			if (found.isOk() && !this.#userIds.has(sub)) this.#userIds.set(sub, found.value.userId);
		}
	}

	/** Where neither a profile nor a link has it any more, a userId is lost for good. */
	async #forgetLostUserId(sub: string): Promise<void> {
		const account = this.#find(sub);
		const isLinked = account?.userId === this.#userIds.get(sub);
		if (!isLinked && (await users.findBySub(sub)).isErr()) this.#userIds.delete(sub);
	}

	async #isTrue(): Promise<void> {
		const accounts = [...this.pool.accounts.values()];
		const unheard = new Set<string>();
		const profiles = new Map<string, User>();
		for (const sub of this.#subs) {
			const found = await users.findBySub(sub);
			if (found.isOk()) profiles.set(sub, found.value);
			const isHeard = this.#heard.get(sub) === this.#changes.get(sub);
			if (!isHeard) unheard.add(sub);
			if (!isHeard) continue;
			const account = this.#find(sub);
			if (!account) equal(profiles.has(sub), false, "the profile of an account that is gone stays");
			else if (!account.confirmed) {
				equal(profiles.has(sub), false, "an account that is not confirmed has a profile");
			} else {
				const profile = profiles.get(sub);
				if (!profile) throw new Error(`a confirmed account has no profile: ${sub}`);
				equal(hasIdentity(profile, account.identity), true, "a profile differs from its account");
				equal(account.userId, profile.userId, "an account is not linked to its profile");
				if (this.#heardByNewer.get(sub) !== this.#changes.get(sub)) continue;
				const newer = versions[1].createUsers(versions[1].openTable(table));
				const seen = (await newer.findBySub(sub))._unsafeUnwrap();
				const isEqual = versions[1].hasIdentity(seen, account.identity);
				equal(isEqual, true, "an older version took what a newer one had written");
			}
		}
		const owners = new Set([...profiles.values()].map(({ userId }) => userId));
		equal(owners.size, profiles.size, "two persons have one userId");
		for (const [sub, profile] of profiles) {
			equal(profile.userId, this.#userIds.get(sub), "a person's userId is another one");
		}

		for (const email of [0, 1, 2].map((each) => this.#email(each))) {
			const claims = (identity: Identity | undefined) => identity?.email === email;
			const claimants = accounts.filter((each) => each.confirmed && claims(each.identity));
			const verified = claimants.find(({ identity }) => identity.emailVerified);
			const holders = (verified ? [verified] : claimants).map(({ identity }) => identity.sub);
			// Of somebody who is not heard of, what the profile claims may be no more, and what the account claims not yet.
			const isHearsay = [...unheard].some((sub) => {
				const account = this.#find(sub);
				// The claim of an account that is gone is older than that of a holder.
				const outlives = account !== undefined || !verified;
				return claims(account?.identity) || (outlives && claims(profiles.get(sub)));
			});
			if (isHearsay) continue;
			const found = await users.findByEmail(email);
			if (found.isOk() ? !holders.includes(found.value.sub) : holders.length > 0) {
				const who = found.isOk() ? found.value.sub : found.error.type;
				throw new Error(`an email finds ${who}, and is ${holders.join(" or ") || "nobody"}'s`);
			}
		}
	}
}

function equal(actual: unknown, expected: unknown, otherwise: string): void {
	const [is, should] = [actual, expected].map((value) => JSON.stringify(value));
	if (is !== should) throw new Error(`${otherwise}: ${is}, not ${should}`);
}

test("once all hints have come, in any order, every person has their profile, their userId, their link and their email", async (t) => {
	t.timeout(600_000);
	await fc.assert(
		fc.asyncProperty(fc.array(step, { maxLength: 25, size: "max" }), async (steps) => {
			const world = new World();
			for (const step of steps) await world.take(step);
			await world.end();
		}),
		{ numRuns: Number(process.env.MODEL_RUNS ?? 40) },
	);
	t.pass();
});
