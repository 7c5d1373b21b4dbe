import test from "ava";
import type { Schema } from "dynamodb-toolbox/schema";
import { map } from "dynamodb-toolbox/schema/map";
import { string } from "dynamodb-toolbox/schema/string";
import { identityAttributes } from "./attributes";
import { problemWithAttributes } from "./checkAttributes";

const text = (cognito: string, maxLength = 2048) => ({ cognito, type: "string", maxLength });
const schema = string().optional();
const count = (min: number, max: number) => ({
	cognito: "custom:count",
	type: "number",
	min,
	max,
});
const custom = (howMany: number) =>
	Object.fromEntries(
		Array.from({ length: howMany }, (_, i) => [`custom${i}`, text(`custom:${i}`, 20)]),
	);

test("the attributes of this project are right, and so is what Cognito allows at most", (t) => {
	t.is(problemWithAttributes(), undefined);
	for (const right of [
		{ nickname: text("nickname") },
		{ plan: text("custom:plan", 1), tier: text("custom:tier", 2048) },
		{ plan: text(`custom:${"x".repeat(20)}`, 20) },
		{ count: count(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER) },
		{ count: count(5, 5) },
		custom(49),
	]) {
		t.is(problemWithAttributes(right, {}), undefined);
	}
});

for (const [what, identity, sentence] of [
	[
		"two entries for one Cognito attribute",
		{ plan: text("custom:plan", 20), tier: text("custom:plan", 20) },
		/^The attribute tier .* is custom:plan in Cognito, and so is plan: take it out\.$/,
	],
	[
		"an entry for the email",
		{ mail: text("email") },
		/mail .* is email in Cognito, and so is email/,
	],
	[
		"the link as an entry",
		{ userIdOfToken: text("custom:userId", 36) },
		/userIdOfToken .* is custom:userId, which links an account to its profile .*: take it out\.$/,
	],
	["a custom name that is empty", { plan: text("custom:", 20) }, /plan .* is called "custom:"/],
	[
		"a custom name of 21 characters",
		{ plan: text(`custom:${"x".repeat(21)}`, 20) },
		/1 to 20 characters/,
	],
	["a custom name with a space", { plan: text("custom:my plan", 20) }, /"custom:my plan"/],
	["a standard name that there is not", { nick: text("nick") }, /nick .* is called "nick"/],
	["a standard attribute that is shortened", { nickname: text("nickname", 20) }, /write 2048\.$/],
	[
		"a length of nothing",
		{ plan: text("custom:plan", 0) },
		/the maxLength 0: write a whole number/,
	],
	["a length over Cognito's", { plan: text("custom:plan", 2049) }, /the maxLength 2049: /],
	["half a character", { plan: text("custom:plan", 1.5) }, /the maxLength 1\.5: /],
	["a min over its max", { count: count(2, 1) }, /a min of 2 over its max of 1: swap them\.$/],
	["a number without an end", { count: count(0, Number.POSITIVE_INFINITY) }, /to Infinity: write/],
	[
		"a custom boolean",
		{ plan: { cognito: "custom:plan", type: "boolean" } },
		/the type "boolean": write "string" or "number"\.$/,
	],
	[
		"an entry that every profile must have",
		{ plan: { ...text("custom:plan", 20), required: true } },
		/plan .* is required, and no profile has it yet: take required out\.$/,
	],
	[
		"an access that there is not",
		{ plan: { ...text("custom:plan", 20), client: "readwrite" } },
		/gives the app client "readwrite": write "read", "readWrite", or nothing/,
	],
	[
		"over 50 custom attributes",
		custom(50),
		/takes 50 custom attributes, .* there are \d+: take some/,
	],
	...["PK", "SK", "GSI1PK", "GSI1SK", "type", "_et", "userId", "createdAt", "sub", "email"].map(
		(name) =>
			[
				`an identity attribute called ${name}`,
				{ [name]: text("nickname") },
				new RegExp(
					`^The attribute ${name} has a name that the profile itself uses: give it another`,
				),
			] as const,
	),
] as const) {
	test(`${what} is told in a sentence that says what to do`, (t) => {
		const problem = problemWithAttributes({ ...identityAttributes, ...identity });
		t.regex(problem ?? "", sentence);
	});
}

for (const name of ["PK", "SK", "GSI1SK", "type", "identityVersion", "username"]) {
	test(`an attribute of the application called ${name} is told in a sentence`, (t) => {
		const problem = problemWithAttributes(identityAttributes, { [name]: schema });
		t.regex(
			problem ?? "",
			new RegExp(`^The attribute ${name} has a name that the profile itself uses`),
		);
	});
}

test("an attribute of the application that profiles from before would lack, or that is saved as another, is told in a sentence", (t) => {
	const problem = (theme: Schema) => problemWithAttributes(identityAttributes, { theme }) ?? "";
	const required = string();
	t.regex(problem(required), /^The attribute theme .* is required, .*: make it optional\(\)\.$/);
	for (const taken of ["PK", "email", "_et"]) {
		t.regex(
			problem(string().optional().savedAs(taken)),
			new RegExp(`theme .* is saved as ${taken}, `),
		);
	}
});

test("two attributes of the application that are saved as one are told in a sentence, and one by its own name is not", (t) => {
	const motto = string().optional().savedAs("theme");
	const problem = problemWithAttributes(identityAttributes, { theme: schema, motto });
	t.regex(problem ?? "", /^The attribute motto .* is saved as theme, which is another's/);
	t.is(problemWithAttributes(identityAttributes, { theme: motto }), undefined);
});

test("an attribute of the application that dynamodb-toolbox refuses is told in a sentence", (t) => {
	const line = string().savedAs("line");
	const address = map({ street: line, city: line }).optional();
	const problem = problemWithAttributes(identityAttributes, { address });
	t.regex(problem ?? "", /^The attribute address .* is refused by dynamodb-toolbox: .*'line'\.$/);
});

test("an attribute may be the key of an index that is added", (t) => {
	const slug = string().optional().savedAs("GSI3PK");
	t.is(problemWithAttributes(identityAttributes, { slug, GSI4PK: schema }), undefined);
});

test("one name in both registries is told in a sentence", (t) => {
	const problem = problemWithAttributes({ theme: text("custom:theme", 20) }, { theme: schema });
	t.regex(problem ?? "", /^The attribute theme stands in both registries/);
});
