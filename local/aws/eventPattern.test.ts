import { RunError } from "@pulumi/pulumi/errors";
import test from "ava";
import { compilePattern } from "./eventPattern";

const event = {
	source: "shop",
	detail: { name: "DeleteUser", count: 3, open: false, none: null, tags: ["a", "b"], empty: "" },
};

for (const [pattern, matches] of [
	[{}, true],
	[{ source: ["shop"] }, true],
	[{ source: ["other", "shop"] }, true],
	[{ source: ["other"] }, false],
	[{ source: ["shop"], detail: { count: [3] } }, true],
	[{ source: ["shop"], detail: { count: ["3"] } }, false],
	[{ detail: { open: [false], none: [null] } }, true],
	[{ detail: { tags: ["b"] } }, true],
	[{ detail: { missing: [null] } }, false],
	[{ missing: { deep: ["x"] } }, false],
	[{ detail: { missing: [{ exists: false }] } }, true],
	[{ missing: { deep: [{ exists: false }] } }, true],
	[{ detail: { name: [{ exists: false }] } }, false],
	[{ detail: { name: [{ exists: true }] } }, true],
	[{ detail: { none: [{ exists: true }] } }, true],
	// A field that holds fields is no value.
	[{ detail: [{ exists: true }] }, false],
	[{ detail: { missing: [{ exists: false }, ""], empty: [{ exists: false }, ""] } }, true],
	[{ detail: { name: [{ exists: false }, ""] } }, false],
	[{ detail: { name: [{ prefix: "Delete" }] } }, true],
	[{ detail: { name: [{ prefix: "delete" }] } }, false],
	[{ detail: { name: [{ "anything-but": "DeleteUser" }] } }, false],
	[{ detail: { name: [{ "anything-but": ["SignUp", "InitiateAuth"] }] } }, true],
	[{ detail: { missing: [{ "anything-but": "x" }] } }, false],
	[{ detail: { $or: [{ name: ["x"] }, { count: [3] }] } }, true],
	[{ detail: { $or: [{ name: ["x"] }, { count: [4] }] } }, false],
	[{ detail: { open: [true], $or: [{ count: [3] }] } }, false],
] as const) {
	const text = JSON.stringify(pattern);
	test(`${text} ${matches ? "matches" : "does not match"}`, (t) => {
		t.is(compilePattern(text, "the rule r")(event), matches);
	});
}

for (const matcher of [
	{ numeric: [">", 0] },
	{ suffix: "x" },
	{ prefix: { "equals-ignore-case": "x" } },
	{ "anything-but": { prefix: "x" } },
	{},
]) {
	const text = JSON.stringify(matcher);
	test(`${text} is refused in a sentence`, (t) => {
		t.throws(() => compilePattern(`{"source":["a",${text}]}`, "the rule r"), {
			instanceOf: RunError,
			message: `The embedded stack does not understand how the rule r matches events by ${text}: use exact values, "exists", "prefix" or "anything-but", or teach local/aws/eventPattern.ts to match it.`,
		});
	});
}
