import { deepStrictEqual } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import test from "ava";
import type { Schema } from "dynamodb-toolbox/schema";
import fc from "fast-check";
import { openTestTable } from "../../testing/testTable";
import {
	createUsers,
	eventSource,
	eventTypes,
	type Identity,
	openTable,
	parseAccount,
	parseEvent,
	parseIdentity,
	type Users,
} from "..";
import { userSchema } from "./entity";
import { identityNames, isIdentityValue, isUuid, readIdentity } from "./identity";
import { claimedSince, emailClaim, emailPartition, profileKey } from "./keys";
import { linkAttribute } from "./registry";

let table: Awaited<ReturnType<typeof openTestTable>>;
let users: Users;
test.before(async () => {
	table = await openTestTable();
	users = createUsers(openTable(table));
});
test.after.always(() => table.close());

/** Letters that are more or fewer once lowercased, separators of keys, what ends a line or a string, halves of characters. */
const hostileUnits = [
	..."İıKkKſßẞΣςÅ#@. aA0_:\u0000\n\u007f\u0085\u200b\u202e\u2028\ufeff",
	"😀",
	"e\u0301",
	"\ud800",
	"\udc00",
];
const hostileText = fc.oneof(
	fc.string({ unit: fc.constantFrom(...hostileUnits) }),
	fc.string({ unit: fc.nat({ max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
	fc.constantFrom("__proto__", "constructor", "toString", "USER#1", "PROFILE", "EMAIL#a@b", ""),
	fc.integer({ min: 100, max: 5_000 }).map((length) => "İ".repeat(length)),
);
const hostileKey = fc.oneof(
	hostileText,
	fc.constantFrom(...identityNames, linkAttribute, "email_verified"),
);
const anything = fc.oneof(
	fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true }),
	fc.dictionary(hostileKey, fc.oneof(fc.anything(), hostileText)),
	fc.json().map((json): unknown => JSON.parse(json)),
);

/** Identities that are right but for what may be hostile in them. */
const nearlyRight = fc.record(
	{
		sub: hostileText,
		username: hostileText,
		email: fc.oneof(
			hostileText,
			fc.tuple(hostileText, hostileText).map((parts) => parts.join("@")),
		),
		emailVerified: fc.oneof(fc.boolean(), hostileText),
		name: hostileText,
		givenName: fc.oneof(hostileText, fc.constant(undefined)),
	},
	{ requiredKeys: [] },
);

/** Identities that are right, and more than that. */
const overfull = fc
	.dictionary(hostileKey, hostileText)
	.map((more) => ({ ...more, sub: "1", username: "1", email: "ada@e.co", emailVerified: true }));

const uuid = randomUUID();

const isRegistered = (name: string) => identityNames.some((known) => known === name);

test("no input makes an identity throw, or hold what is not in the registry", (t) => {
	const seen = { accepted: 0 };
	fc.assert(
		fc.property(fc.oneof(anything, nearlyRight, overfull), (input) => {
			// The tolerant reader takes all that the strict one does, and no more than the registry knows.
			const read = readIdentity(input);
			if (read.isErr() && parseIdentity(input).isOk()) throw new Error("read less than written");
			if (!Object.keys(read.unwrapOr({})).every(isRegistered)) throw new Error("an unknown name");
			parseIdentity(input).match(
				(identity) => {
					seen.accepted++;
					if (!Object.keys(identity).every(isRegistered)) throw new Error("an unknown name");
					// DynamoDB would store it as something else.
					if (!Object.values(identity).every((value) => String(value).isWellFormed())) {
						throw new Error("half a character");
					}
					if (Object.getPrototypeOf(identity) !== Object.prototype) throw new Error("a prototype");
				},
				({ issues }) => {
					if (issues.length === 0) throw new Error("refused without a reason");
					if (issues.some(({ path }) => path.length > 100)) throw new Error("a huge path");
				},
			);
		}),
		{ numRuns: 10_000 },
	);
	t.true(seen.accepted > 10, String(seen.accepted));
});

test("no attributes make an account throw, or hold what is not in the registry", (t) => {
	const seen = { accepted: 0 };
	const attributes = fc
		.tuple(
			fc.dictionary(hostileKey, hostileText),
			fc.constantFrom({}, { sub: "1", email: "ada@example.com", email_verified: "true" }),
		)
		.map(([hostile, right]) => ({ ...hostile, ...right }));
	fc.assert(
		fc.property(hostileText, attributes, (username, attributes) => {
			const account = parseAccount(username, attributes);
			if (account.isErr()) return;
			seen.accepted++;
			if (!Object.keys(account.value.identity).every(isRegistered)) throw new Error("unknown");
			if (!Object.keys(account.value).every((name) => ["identity", "userId"].includes(name))) {
				throw new Error("an account of more than an identity and a link");
			}
		}),
		{ numRuns: 5_000 },
	);
	t.true(seen.accepted > 10, String(seen.accepted));
});

test("no event, and no text in place of one, makes its parser throw or pass on what is not in the registry", (t) => {
	const seen = { accepted: 0 };
	const ours = fc.record({
		source: fc.oneof(fc.constant(eventSource), anything),
		"detail-type": fc.oneof(fc.constantFrom(...eventTypes), anything),
		detail: fc.oneof(
			anything,
			fc.record({
				version: fc.oneof(fc.constant(1), anything),
				identity: fc.oneof(
					anything,
					nearlyRight.map((hostile) => ({
						...hostile,
						sub: "1",
						username: "1",
						email: "ada@example.com",
						emailVerified: true,
					})),
				),
				userId: anything,
			}),
		),
	});
	const input = fc.oneof(
		{ weight: 1, arbitrary: anything },
		{ weight: 1, arbitrary: hostileText },
		{ weight: 4, arbitrary: ours },
	);
	fc.assert(
		fc.property(input, (event) => {
			const parsed = parseEvent(event);
			if (parsed.isErr()) return;
			seen.accepted++;
			const { type, account } = parsed.value;
			if (!eventTypes.includes(type)) throw new Error("an unknown type");
			if (!Object.keys(account.identity).every(isRegistered)) throw new Error("an unknown name");
			if (!["undefined", "string"].includes(typeof account.userId)) throw new Error("no link");
		}),
		{ numRuns: 10_000 },
	);
	t.true(seen.accepted > 10, String(seen.accepted));
});

/** A text, and what some step on its way might make of it. */
const alike = fc.tuple(
	hostileText,
	fc.constantFrom(
		(text: string) => text.toLowerCase(),
		(text: string) => text.toUpperCase(),
		(text: string) => text.normalize("NFC"),
		(text: string) => text.normalize("NFKD"),
		(text: string) => text.toWellFormed(),
		(text: string) => text.trim(),
		(text: string) => text.slice(0, 128),
		(text: string) => `${text}#PROFILE`,
		(text: string) => text.replaceAll("\u0000", ""),
	),
);

test("two subs never share a partition, as DynamoDB stores it, however alike, nor does a sub with an email", (t) => {
	const seen = { pairs: 0 };
	const stored = (text: string) => Buffer.from(text).toString("hex");
	fc.assert(
		fc.property(alike, hostileText, ([one, change], email) => {
			const other = change(one);
			if (one === other || !isIdentityValue("sub", one) || !isIdentityValue("sub", other)) return;
			seen.pairs++;
			const [key, otherKey] = [profileKey(one), profileKey(other)];
			if (stored(key.PK) === stored(otherKey.PK)) throw new Error("one key for two");
			if (stored(key.PK) === stored(emailPartition(email))) throw new Error("a sub is an email");
			if (Buffer.byteLength(key.PK) > 2048) throw new Error("more than a key may hold");
		}),
		{ numRuns: 10_000 },
	);
	t.true(seen.pairs > 100, String(seen.pairs));
});

test("a verified claim sorts after every unverified one, and both after one of an older version; equals sort by time", (t) => {
	const time = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("9999-12-31") });
	fc.assert(
		fc.property(time, time, fc.boolean(), (one, other, verified) => {
			const [a, b] = [one.toISOString(), other.toISOString()];
			const isBefore = (first: string, second: string) =>
				Buffer.compare(Buffer.from(first), Buffer.from(second)) < 0;
			if (!isBefore(emailClaim(false, a), emailClaim(true, b))) throw new Error("unverified wins");
			if (!isBefore(a, emailClaim(verified, b))) throw new Error("an older version's wins");
			if (isBefore(a, b) !== isBefore(emailClaim(verified, a), emailClaim(verified, b))) {
				throw new Error("the older wins");
			}
			if (claimedSince(emailClaim(verified, a)) !== a || claimedSince(a) !== a) {
				throw new Error("the time is lost");
			}
		}),
	);
	t.pass();
});

test("nothing but a UUID is a userId, whatever it is", (t) => {
	fc.assert(
		fc.property(
			fc.oneof(
				anything,
				hostileText,
				hostileText.map((text) => `${uuid}${text}`),
			),
			(id) => {
				if (isUuid(id) && id !== uuid) throw new Error(`taken: ${id}`);
			},
		),
		{ numRuns: 5_000 },
	);
	t.true(isUuid(uuid));
	t.false(isUuid(`${uuid}\n`));
});

test("an email that is accepted fits into a key of DynamoDB, however much longer it gets lowercased", (t) => {
	const longest = `${"İ".repeat(249)}@e.co`;
	t.true(isIdentityValue("email", longest));
	t.true(Buffer.byteLength(emailPartition(longest)) <= 2048);
});

test("no character outside ASCII is taken for one inside, in an email", (t) => {
	const taken: string[] = [];
	for (let code = 0x80; code < 0x110000; code++) {
		const character = String.fromCodePoint(code);
		if (/^EMAIL#[\0-\x7f]*$/.test(emailPartition(character))) taken.push(code.toString(16));
	}
	t.deepEqual(taken, []);
});

test("two emails share a partition only if they differ in nothing but case", (t) => {
	const seen = { shared: 0 };
	fc.assert(
		fc.property(alike, ([one, change]) => {
			const other = change(one);
			if (one === other || emailPartition(one) !== emailPartition(other)) return;
			seen.shared++;
			if (one.toLowerCase() !== other.toLowerCase()) throw new Error("they differ in more");
		}),
		{ numRuns: 5_000 },
	);
	t.true(seen.shared > 100, String(seen.shared));
});

test("whoever is accepted is registered, and found again by sub and by email, and nobody else is", async (t) => {
	const identities = nearlyRight.map((hostile) => {
		const unique = randomUUID();
		const fallback = {
			sub: unique,
			username: unique,
			email: `${unique}@e.co`,
			emailVerified: true,
		};
		const usable = Object.entries(hostile).filter(([name, value]) =>
			// What is not usable would be refused, which the tests above show.
			isIdentityValue(name as keyof Identity, value),
		);
		const identity: Identity = { ...fallback, ...Object.fromEntries(usable) };
		// Different people, however alike.
		return { ...identity, sub: `${unique}${identity.sub}`.slice(0, 100).toWellFormed() };
	});
	const registry = new Set(
		Object.entries<Schema>(userSchema.attributes).map(([name, { props }]) => props.savedAs ?? name),
	);
	const client = DynamoDBDocumentClient.from(table.client);
	await fc.assert(
		fc.asyncProperty(fc.array(identities, { minLength: 2, maxLength: 4 }), async (people) => {
			const registered = [];
			for (const identity of people) {
				registered.push((await users.register(identity))._unsafeUnwrap());
			}
			for (const user of registered) {
				const found = (await users.findBySub(user.sub))._unsafeUnwrap();
				deepStrictEqual(found, user);
				const { email } = (await users.findByEmail(user.email))._unsafeUnwrap();
				if (email.toLowerCase() !== user.email.toLowerCase()) throw new Error("another by email");
				const { Item = {} } = await client.send(
					new GetCommand({ TableName: table.tableName, Key: profileKey(user.sub) }),
				);
				const unknown = Object.keys(Item).filter((name) => !registry.has(name));
				if (unknown.length > 0) throw new Error(`stored: ${unknown.join()}`);
			}
		}),
		{ numRuns: 60 },
	);
	t.pass();
});

for (const sub of [
	"__proto__",
	"constructor",
	"a#b",
	"USER#1#PROFILE",
	"İ",
	"😀".repeat(64),
	"x".repeat(128),
]) {
	test(`${JSON.stringify(sub.slice(0, 20))} is a sub like any other`, async (t) => {
		const identity = { sub, username: sub, email: `${randomUUID()}@e.co`, emailVerified: true };
		const user = (await users.register(identity))._unsafeUnwrap();
		t.deepEqual((await users.findBySub(sub))._unsafeUnwrap(), user);
		t.is((await users.findBySub(`${sub.slice(0, 100)}#`))._unsafeUnwrapErr().type, "UserNotFound");
	});
}
