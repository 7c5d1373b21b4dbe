import test from "ava";
import type { User } from "./entity";
import { hasIdentity, type Identity, parseAccount, parseIdentity } from "./identity";

const ada: Identity = {
	sub: "0b1c7f6e-6f3b-4d0e-9d7b-3c8f2f1d5a01",
	username: "0b1c7f6e-6f3b-4d0e-9d7b-3c8f2f1d5a01",
	email: "Ada@Example.com",
	emailVerified: true,
	name: "Ada Lovelace",
};

function issuesOf(input: unknown) {
	return parseIdentity(input).match(
		() => [],
		({ issues }) => issues.map(({ path, message }) => `${path} ${message}`.trim()),
	);
}

test("an identity with every required attribute is accepted as it is", (t) => {
	t.deepEqual(parseIdentity(ada)._unsafeUnwrap(), ada);
});

test("every issue of an identity is listed, by path", (t) => {
	t.deepEqual(
		issuesOf({ username: "ada", email: "ada.example.com", emailVerified: "yes", age: 36 }),
		[
			"sub is required",
			"email is malformed",
			"emailVerified must be a boolean",
			"age is not an attribute of an identity",
		],
	);
});

test("attributes over the limits of Cognito are refused, and those at the limit are not", (t) => {
	t.deepEqual(issuesOf({ ...ada, name: "x".repeat(2049) }), [
		"name must be at most 2048 characters long",
	]);
	t.deepEqual(issuesOf({ ...ada, name: "x".repeat(2048) }), []);
	t.deepEqual(issuesOf({ ...ada, email: `${"x".repeat(250)}@e.co` }), [
		"email must be at most 254 characters long",
	]);
	t.deepEqual(issuesOf({ ...ada, sub: "x".repeat(129) }), [
		"sub must be at most 128 characters long",
	]);
});

test("characters are counted as Cognito counts them, an emoji as one", (t) => {
	t.deepEqual(issuesOf({ ...ada, name: "😀".repeat(2048) }), []);
	t.deepEqual(issuesOf({ ...ada, name: "😀".repeat(2049) }), [
		"name must be at most 2048 characters long",
	]);
});

for (const email of [
	"",
	"ada",
	"@example.com",
	"ada@",
	"ada lovelace@example.com",
	"ada@example.com\n",
]) {
	test(`${JSON.stringify(email)} is not an email`, (t) => {
		t.is(issuesOf({ ...ada, email }).length, 1);
	});
}

for (const input of [undefined, null, "ada", 36, [], () => ada]) {
	test(`${String(input) || "an empty array"} is not an identity`, (t) => {
		t.true(parseIdentity(input).isErr());
	});
}

test("text that DynamoDB would store as something else is refused", (t) => {
	t.deepEqual(issuesOf({ ...ada, name: "\ud800" }), ["name must be well-formed Unicode"]);
	t.true(parseIdentity({ ...ada, sub: "\ud800" }).isErr());
});

test("names of Object's prototype are no attributes", (t) => {
	const hostile: unknown = JSON.parse('{"__proto__":{"sub":"x"},"constructor":1,"toString":"x"}');
	t.deepEqual(issuesOf({ ...ada, ...(hostile as object) }), [
		"__proto__ is not an attribute of an identity",
		"constructor is not an attribute of an identity",
		"toString is not an attribute of an identity",
	]);
});

test("an account is read from Cognito's names and text values", (t) => {
	const account = parseAccount("ada", {
		sub: "1",
		email: "ada@example.com",
		email_verified: "true",
		given_name: "Ada",
		"custom:userId": "u-1",
	});
	t.deepEqual(account._unsafeUnwrap(), {
		identity: {
			sub: "1",
			username: "ada",
			email: "ada@example.com",
			emailVerified: true,
			givenName: "Ada",
		},
		userId: "u-1",
	});
});

test("what Cognito knows beyond the registry is dropped, and so is what it has blanked", (t) => {
	const account = parseAccount("ada", {
		sub: "1",
		email: "ada@example.com",
		"cognito:user_status": "CONFIRMED",
		zoneinfo: "Europe/London",
		family_name: "",
	});
	t.deepEqual(account._unsafeUnwrap(), {
		identity: { sub: "1", username: "ada", email: "ada@example.com", emailVerified: false },
	});
});

test("an email that Cognito does not call verified is not verified", (t) => {
	const emailVerified = (email_verified?: string) =>
		parseAccount("ada", {
			sub: "1",
			email: "ada@example.com",
			...(email_verified && { email_verified }),
		}).map(({ identity }) => identity.emailVerified);
	t.deepEqual(emailVerified("true")._unsafeUnwrap(), true);
	t.deepEqual(emailVerified("false")._unsafeUnwrap(), false);
	t.deepEqual(emailVerified()._unsafeUnwrap(), false);
	t.true(emailVerified("maybe").isErr());
});

test("a user has an identity only if every attribute is the same, missing ones included", (t) => {
	const user: User = {
		...ada,
		userId: "u-1",
		createdAt: "2026-01-01T00:00:00.000Z",
		updatedAt: "2026-01-01T00:00:00.000Z",
		identityVersion: 1,
		emailClaim: "VERIFIED#2026-01-01T00:00:00.000Z",
		displayName: "Countess",
	};
	const { name, ...nameless } = ada;
	t.true(hasIdentity(user, ada));
	t.false(hasIdentity(user, { ...ada, email: "ada@example.com" }));
	t.false(hasIdentity(user, { ...ada, givenName: "Ada" }));
	t.false(hasIdentity(user, nameless));
});
