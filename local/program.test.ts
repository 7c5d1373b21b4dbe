import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import test from "ava";
import { declared, evaluate } from "./program";

const directory = join(__dirname, "../testing/secondProgram");

test("a program's resources have final inputs, and its outputs name them as AWS would", async (t) => {
	const program = await evaluate({ directory, endpoint: "http://127.0.0.1:1" });
	const [target] = declared(program, "aws:cloudwatch/eventTarget:EventTarget");
	t.regex(target?.inputs.arn ?? "", /^arn:aws:lambda:us-east-1:\d{12}:function:failing-\w{7}$/);
	t.regex(String(program.outputs.userPoolId), /^us-east-1_[0-9A-Z]{9}$/);
	t.regex(String(program.outputs.userPoolClientId), /^[0-9a-z]{26}$/);
	t.regex(
		String(program.outputs.deadLetterQueueUrl),
		/^http:\/\/127\.0\.0\.1:1\/\d{12}\/deadLetters-\w{7}$/,
	);
});

test("one process evaluates a program again with other settings", async (t) => {
	const patterns = ['{"source":["a"]}', '{"source":["b"]}'];
	const programs = await Promise.all(
		patterns.map((pattern) => evaluate({ directory, settings: { pattern } })),
	);
	const found = programs.map(
		(program) => declared(program, "aws:cloudwatch/eventRule:EventRule")[0]?.inputs.eventPattern,
	);
	t.deepEqual(found, patterns);
});

test("what a program throws late reaches the caller, and the next evaluation is none the worse", async (t) => {
	const settings = { lateFailure: "Write something else." };
	const error = await t.throwsAsync(evaluate({ directory, settings }));
	t.true(pulumi.RunError.isInstance(error));
	t.is(error?.message, settings.lateFailure);
	await t.notThrowsAsync(evaluate({ directory }));
});

test("a function that cannot be built ends the evaluation, though others wait for it", async (t) => {
	const settings = { unbuildable: "failing" };
	await t.throwsAsync(evaluate({ directory, settings }), { message: /It cannot be built/ });
	await t.notThrowsAsync(evaluate({ directory }));
});
