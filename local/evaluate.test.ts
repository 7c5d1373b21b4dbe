import { join } from "node:path";
import { RunError } from "@pulumi/pulumi/errors";
import test from "ava";
import { evaluate } from "./evaluate";
import { declared } from "./program";

const directory = join(__dirname, "../testing/secondProgram");

test("a program's resources have final inputs, and its outputs name them as AWS would", async (t) => {
	const program = await evaluate({ directory, endpoint: "http://127.0.0.1:1" });
	const target = declared(program, "aws:cloudwatch/eventTarget:EventTarget").find(
		({ name }) => name === "failing",
	);
	t.regex(target?.inputs.arn ?? "", /^arn:aws:lambda:us-east-1:\d{12}:function:failing-\w{7}$/);
	t.regex(String(program.outputs.userPoolId), /^us-east-1_[0-9A-Z]{9}$/);
	t.regex(String(program.outputs.userPoolClientId), /^[0-9a-z]{26}$/);
	t.regex(
		String(program.outputs.deadLetterQueueUrl),
		/^http:\/\/127\.0\.0\.1:1\/\d{12}\/deadLetters-\w{7}$/,
	);
	const mapping = declared(program, "aws:lambda/eventSourceMapping:EventSourceMapping").find(
		({ name }) => name === "items",
	);
	t.regex(
		mapping?.inputs.eventSourceArn ?? "",
		/^arn:aws:dynamodb:us-east-1:\d{12}:table\/items-\w{7}\/stream\//,
	);
});

test("one process evaluates a program again with other settings", async (t) => {
	const patterns = ['{"source":["a"]}', '{"source":["b"]}'];
	const programs = await Promise.all(
		patterns.map((pattern) => evaluate({ directory, settings: { pattern } })),
	);
	const found = programs.map((program) =>
		declared(program, "aws:cloudwatch/eventRule:EventRule").find(({ name }) => name === "wanted"),
	);
	t.deepEqual(
		found.map((rule) => rule?.inputs.eventPattern),
		patterns,
	);
});

test("what a program throws late reaches the caller, and the next evaluation is none the worse", async (t) => {
	const settings = { lateFailure: "Write something else." };
	const error = await t.throwsAsync(evaluate({ directory, settings }));
	t.true(RunError.isInstance(error));
	t.is(error?.message, settings.lateFailure);
	await t.notThrowsAsync(evaluate({ directory }));
});

test("a function that cannot be built ends the evaluation, though others wait for it", async (t) => {
	const settings = { unbuildable: "failing" };
	await t.throwsAsync(evaluate({ directory, settings }), { message: /It cannot be built/ });
	await t.notThrowsAsync(evaluate({ directory }));
});

test("two resources of one type and name end the evaluation, as Pulumi would refuse them", async (t) => {
	const error = await t.throwsAsync(evaluate({ directory, settings: { twice: true } }));
	t.true(RunError.isInstance(error));
	t.regex(error?.message ?? "", /aws:s3\/bucket:Bucket .* unheardOf, .* another name\.$/);
	await t.throwsAsync(evaluate({ directory, settings: { parents: "app:One,app:One" } }), {
		message: /aws:sqs\/queue:Queue .* child, /,
	});
});

test("children of one type and name are two resources when their parents are of two types", async (t) => {
	const program = await evaluate({ directory, settings: { parents: "app:One,app:Two" } });
	const children = declared(program, "aws:sqs/queue:Queue").filter(({ name }) => name === "child");
	t.is(new Set(children.map(({ arn }) => arn)).size, 2);
});

test("a state machine that AWS would refuse ends the evaluation, in a sentence", async (t) => {
	const lost = { StartAt: "First", States: { First: { Type: "Pass", Next: "Nowhere" } } };
	const settings = { definition: JSON.stringify(lost) };
	const error = await t.throwsAsync(evaluate({ directory, settings }));
	t.true(RunError.isInstance(error));
	t.regex(error?.message ?? "", /^The state machine machine .* AWS would refuse it: .*Nowhere/);
});
