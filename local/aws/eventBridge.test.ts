import { join } from "node:path";
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import test, { type ExecutionContext } from "ava";
import { deadLetters } from "../../testing/deadLetters";
import { evaluateOnce } from "../../testing/evaluateOnce";
import type { Program } from "../program";
import { type Stack, startStack } from "../stack";

const program = evaluateOnce({ directory: join(__dirname, "../../testing/secondProgram") });

async function open(t: ExecutionContext, run: Program | Promise<Program> = program) {
	const stack = await startStack({ program: await run });
	t.teardown(stack.close);
	return stack;
}

async function put(stack: Stack, Source: string, EventBusName = stack.outputs.eventBusName) {
	const { Entries = [] } = await new EventBridgeClient(stack.clientOptions).send(
		new PutEventsCommand({
			Entries: [{ EventBusName, Source, DetailType: "t", Detail: '{"n":1}' }],
		}),
	);
	await stack.settled();
	return Entries[0];
}

const heard = (stack: Stack) => deadLetters(stack, stack.outputs.heardQueueUrl);

test("a queue gets the events that its rule matches, as they are", async (t) => {
	const stack = await open(t);
	await put(stack, "other");
	await put(stack, "queued");
	const [event, ...others] = await heard(stack);
	t.deepEqual(others, []);
	t.like(event, { source: "queued", "detail-type": "t", detail: { n: 1 } });
	t.deepEqual(event, stack.events().at(-1));
});

test("an event waits for a queue that cannot take it for a while", async (t) => {
	const stack = await open(t);
	stack.fault({ service: "sqs", operation: "SendMessage", kind: "throttle", times: 3 });
	await put(stack, "queued");
	t.is((await heard(stack)).length, 1);
});

test("an event that the policy of a queue does not let in rests in the dead-letter queue, if that one's does", async (t) => {
	const whole = await program;
	for (const [without, count] of [
		[["heard"], 1],
		[["heard", "deadLetters"], 0],
	] as const) {
		const resources = whole.resources.filter(
			({ type, name }) => !/QueuePolicy$/.test(type) || !without.some((each) => each === name),
		);
		const stack = await open(t, { ...whole, resources });
		await put(stack, "queued");
		t.deepEqual(await heard(stack), []);
		t.deepEqual(await deadLetters(stack), stack.events().slice(0, count));
	}
});

test("the policy of a queue may name several rules, and lets in no other", async (t) => {
	const whole = await program;
	const withRules = (...rules: string[]) => ({
		...whole,
		resources: whole.resources.map((each) => {
			if (!/QueuePolicy$/.test(each.type) || each.name !== "heard") return each;
			const policy = JSON.parse(String(each.inputs.policy));
			policy.Statement[0].Condition = { ArnEquals: { "aws:SourceArn": rules } };
			return { ...each, inputs: { ...each.inputs, policy: JSON.stringify(policy) } };
		}),
	});
	const rule = whole.resources.find(
		({ type, name }) => /EventRule$/.test(type) && name === "queued",
	);
	const arn = String(rule?.arn);
	for (const [rules, count] of [
		[[arn.replace("queued", "x"), arn], 1],
		[[arn.replace("queued", "x")], 0],
	] as const) {
		const stack = await open(t, withRules(...rules));
		await put(stack, "queued");
		t.is((await heard(stack)).length, count);
	}
});

test("the account's own bus needs no declaration, and its events are no declared bus's", async (t) => {
	const whole = await program;
	const resources = whole.resources.map((each) =>
		/EventRule$/.test(each.type) && each.name === "trail"
			? { ...each, inputs: { ...each.inputs, eventPattern: '{"source":["mine"]}' } }
			: each,
	);
	const stack = await open(t, { ...whole, resources });
	await put(stack, "mine", "default");
	t.is((await heard(stack)).length, 1);
	t.deepEqual(stack.events(), []);
	await put(stack, "mine");
	t.is((await heard(stack)).length, 1, "a rule listens to its own bus alone");
});

test("nobody but AWS puts events of AWS", async (t) => {
	const stack = await open(t);
	t.like(await put(stack, "aws.cognito-idp", "default"), {
		ErrorCode: "NotAuthorizedForSource",
	});
	t.deepEqual(await heard(stack), []);
});
