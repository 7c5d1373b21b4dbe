import { PassThrough, Readable } from "node:stream";
import test from "ava";
import { ask } from "./ask";

const never = new AbortController().signal;

for (const [what, typed, expected] of [
	["y", "y\n", true],
	["Yes", "Yes\n", true],
	["n", "n\n", false],
	["nothing", "\n", false],
	["Esc", "\x1b\n", false],
	["the end of the input", "", false],
] as const) {
	test(`${what} is a ${expected ? "yes" : "no"}`, async (t) => {
		const output = new PassThrough();
		t.is(await ask("Remove?", Readable.from([Buffer.from(typed)]), output, never), expected);
		t.regex(String(output.read()), /^Remove\? \[y\/N\] /);
	});
}

test("an interruption is a no", async (t) => {
	const interruption = new AbortController();
	const answer = ask("Remove?", new PassThrough(), new PassThrough(), interruption.signal);
	interruption.abort();
	t.false(await answer);
});
