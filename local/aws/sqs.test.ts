import { join } from "node:path";
import {
	DeleteMessageCommand,
	GetQueueAttributesCommand,
	ListQueuesCommand,
	PurgeQueueCommand,
	ReceiveMessageCommand,
	SendMessageBatchCommand,
	SendMessageCommand,
	SQSClient,
	StartMessageMoveTaskCommand,
} from "@aws-sdk/client-sqs";
import { RunError } from "@pulumi/pulumi/errors";
import test, { type ExecutionContext } from "ava";
import { evaluateOnce } from "../../testing/evaluateOnce";
import { declared, type Program } from "../program";
import { startStack } from "../stack";

const WORK = "work";
const DEAD_LETTERS = "deadLetters";
const OTHER = "heard";

/** The test program without what consumes its queues. */
const program = evaluateOnce({ directory: join(__dirname, "../../testing/secondProgram") }).then(
	(whole): Program => ({
		...whole,
		resources: whole.resources.filter(({ type }) => !/EventSourceMapping$/.test(type)),
	}),
);

async function open(t: ExecutionContext) {
	const stack = await startStack({ program: await program });
	t.teardown(stack.close);
	const sqs = new SQSClient(stack.clientOptions);
	const queue = (name: string) => {
		const found = declared(stack.program, "aws:sqs/queue:Queue").find((each) => each.name === name);
		return { QueueUrl: found?.id, arn: found?.arn };
	};
	async function receive(name: string, VisibilityTimeout = 0) {
		const { QueueUrl } = queue(name);
		const { Messages = [] } = await sqs.send(
			new ReceiveMessageCommand({
				QueueUrl,
				VisibilityTimeout,
				MaxNumberOfMessages: 10,
				MessageSystemAttributeNames: ["All"],
			}),
		);
		return Messages;
	}

	return {
		sqs,
		queue,
		receive,
		send: (name: string, MessageBody: string) =>
			sqs.send(new SendMessageCommand({ QueueUrl: queue(name).QueueUrl, MessageBody })),
		bodies: async (name: string) => (await receive(name)).map(({ Body }) => Body),
		/** Lets SQS move what a queue holds to its dead-letter queue. */
		async exhaust(name: string): Promise<void> {
			for (let i = 0; i < 4; i++) await receive(name);
		},
	};
}

test("a message that was received as often as its queue allows moves to the dead-letter queue, as it is", async (t) => {
	const { queue, receive, send } = await open(t);
	const { MessageId } = await send(WORK, "hello");
	for (const count of ["1", "2", "3"]) {
		const [message] = await receive(WORK);
		t.like(message, { MessageId, Body: "hello" });
		t.is(message?.Attributes?.ApproximateReceiveCount, count);
	}
	t.deepEqual(await receive(WORK), []);
	const [letter] = await receive(DEAD_LETTERS);
	t.like(letter, { MessageId, Body: "hello" });
	t.is(letter?.Attributes?.DeadLetterQueueSourceArn, queue(WORK).arn);
	for (let i = 0; i < 5; i++) t.is((await receive(DEAD_LETTERS)).length, 1, "there it stays");
});

test("a redrive brings each message back to where it came from, and leaves what came from nowhere", async (t) => {
	const { sqs, queue, receive, send, bodies, exhaust } = await open(t);
	await send(WORK, "moved");
	await exhaust(WORK);
	await send(DEAD_LETTERS, "sent straight");
	await sqs.send(new StartMessageMoveTaskCommand({ SourceArn: queue(DEAD_LETTERS).arn }));
	t.deepEqual(await bodies(DEAD_LETTERS), ["sent straight"]);
	const [again] = await receive(WORK);
	t.is(again?.Body, "moved");
	t.is(again?.Attributes?.ApproximateReceiveCount, "1", "it is tried as often as a new one");
});

test("a redrive to one queue brings everything there", async (t) => {
	const { sqs, queue, send, bodies, exhaust } = await open(t);
	await send(WORK, "moved");
	await exhaust(WORK);
	await send(DEAD_LETTERS, "sent straight");
	const [SourceArn, DestinationArn] = [queue(DEAD_LETTERS).arn, queue(OTHER).arn];
	await sqs.send(new StartMessageMoveTaskCommand({ SourceArn, DestinationArn }));
	t.deepEqual(await bodies(DEAD_LETTERS), []);
	t.deepEqual((await bodies(OTHER)).sort(), ["moved", "sent straight"]);
});

test("a queue that is no dead-letter queue is not redriven", async (t) => {
	const { sqs, queue } = await open(t);
	const redrive = new StartMessageMoveTaskCommand({ SourceArn: queue(OTHER).arn });
	await t.throwsAsync(sqs.send(redrive), { message: /Dead Letter Queue/ });
});

test("a message is hidden from others until it is deleted, and a purge empties a queue", async (t) => {
	const { sqs, queue, receive, send, bodies } = await open(t);
	const { QueueUrl } = queue(OTHER);
	const count = async () => {
		const { Attributes } = await sqs.send(
			new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }),
		);
		return [
			Attributes?.ApproximateNumberOfMessages,
			Attributes?.ApproximateNumberOfMessagesNotVisible,
		];
	};
	const Entries = ["1", "2"].map((Id) => ({ Id, MessageBody: Id }));
	await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
	const [first] = await receive(OTHER, 30);
	t.deepEqual(await bodies(OTHER), []);
	t.deepEqual(await count(), ["0", "2"]);
	await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: first?.ReceiptHandle }));
	t.deepEqual(await count(), ["0", "1"]);
	await send(OTHER, "3");
	await sqs.send(new PurgeQueueCommand({ QueueUrl }));
	t.deepEqual(await count(), ["0", "0"]);
});

test("queues are listed by how their names begin", async (t) => {
	const { sqs, queue } = await open(t);
	const { QueueUrls } = await sqs.send(new ListQueuesCommand({ QueueNamePrefix: "deadL" }));
	t.deepEqual(QueueUrls, [queue(DEAD_LETTERS).QueueUrl ?? ""]);
});

test("a dead-letter queue that is not declared stops the start", async (t) => {
	const whole = await program;
	const redrivePolicy = JSON.stringify({
		deadLetterTargetArn: "arn:aws:sqs:us-east-1:1:x",
		maxReceiveCount: 3,
	});
	const resources = whole.resources.map((each) =>
		each.type === "aws:sqs/queue:Queue" && each.name === WORK
			? { ...each, inputs: { ...each.inputs, redrivePolicy } }
			: each,
	);
	const error = await t.throwsAsync(startStack({ program: { ...whole, resources } }));
	t.true(RunError.isInstance(error));
	t.regex(error?.message ?? "", /arn:aws:sqs:us-east-1:1:x/);
});
