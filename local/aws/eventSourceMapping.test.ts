import { join } from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import {
	GetQueueAttributesCommand,
	ReceiveMessageCommand,
	SendMessageBatchCommand,
	SQSClient,
	StartMessageMoveTaskCommand,
} from "@aws-sdk/client-sqs";
import {
	BatchWriteCommand,
	DeleteCommand,
	DynamoDBDocumentClient,
	PutCommand,
	UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import test, { type ExecutionContext } from "ava";
import { evaluateOnce } from "../../testing/evaluateOnce";
import { declared, type Program, type Resource } from "../program";
import { type Stack, startStack } from "../stack";

const directory = join(__dirname, "../../testing/secondProgram");
const program = evaluateOnce({ directory });

interface Logged<Record> {
	readonly time?: number;
	readonly bodies?: readonly string[];
	readonly Records?: readonly Record[];
}

async function open(t: ExecutionContext, run: Program | Promise<Program> = program) {
	const stack = await startStack({ program: await run });
	t.teardown(stack.close);
	const sqs = new SQSClient(stack.clientOptions);
	const items = DynamoDBDocumentClient.from(new DynamoDBClient(stack.clientOptions));
	const { workQueueUrl: QueueUrl, deadLetterQueueUrl, tableName: TableName } = stack.outputs;

	return {
		stack,
		sqs,
		items,
		TableName,
		send: (...bodies: string[]) =>
			sqs.send(
				new SendMessageBatchCommand({
					QueueUrl,
					Entries: bodies.map((MessageBody, i) => ({ Id: String(i), MessageBody })),
				}),
			),
		put: (item: object) => items.send(new PutCommand({ TableName, Item: { ...item } })),
		async left(): Promise<number> {
			const { Attributes } = await sqs.send(
				new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }),
			);
			return (
				Number(Attributes?.ApproximateNumberOfMessages) +
				Number(Attributes?.ApproximateNumberOfMessagesNotVisible)
			);
		},
		async deadLetters(): Promise<string[]> {
			const { Messages = [] } = await sqs.send(
				new ReceiveMessageCommand({
					QueueUrl: deadLetterQueueUrl,
					MaxNumberOfMessages: 10,
					VisibilityTimeout: 0,
				}),
			);
			return Messages.map(({ Body = "" }) => Body);
		},
	};
}

/** What a function of the test program has logged. */
const logged = <Record>(stack: Stack, name: string): Logged<Record>[] =>
	stack
		.logs(name)
		.map((line) => JSON.parse(line).message)
		.filter((message) => message instanceof Object);

const batches = (stack: Stack) =>
	logged(stack, "worker").flatMap(({ bodies }) => (bodies ? [bodies] : []));

/** The program without one of the actions that its functions need to consume. */
async function without(action: string): Promise<Program> {
	const whole = await program;
	const resources = whole.resources.map((each) => {
		if (each.type !== "aws:iam/rolePolicy:RolePolicy" || each.name !== "consumers") return each;
		const policy = String(each.inputs.policy).replace(`"${action}"`, '"sqs:TagQueue"');
		return { ...each, inputs: { ...each.inputs, policy } };
	});
	return { ...whole, resources };
}

// Queues.

test("of a batch in which one message fails, that one alone comes again, and in the end rests in the dead-letter queue", async (t) => {
	const { stack, send, left, deadLetters } = await open(t);
	const good = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
	await send(...good.slice(0, 4), "fail", ...good.slice(4));
	await stack.settled();
	t.deepEqual(batches(stack), [
		[...good.slice(0, 4), "fail", ...good.slice(4)],
		["fail"],
		["fail"],
	]);
	t.deepEqual(await deadLetters(), ["fail"]);
	t.is(await left(), 0);
});

test("a function gets messages as SQS has them", async (t) => {
	const { stack, send } = await open(t);
	await send("fail");
	await stack.settled();
	const [first, second] = logged<Record<string, unknown>>(stack, "worker").flatMap(
		({ Records = [] }) => Records,
	);
	const queue = declared(stack.program, "aws:sqs/queue:Queue").find(({ name }) => name === "work");
	t.like(first, {
		body: "fail",
		attributes: { ApproximateReceiveCount: "1" },
		messageAttributes: {},
		md5OfBody: "e11185b6e35c1b767174dc988aa0f179",
		eventSource: "aws:sqs",
		eventSourceARN: queue?.arn,
		awsRegion: "us-east-1",
	});
	t.like(second, { messageId: first?.messageId, attributes: { ApproximateReceiveCount: "2" } });
	t.not(second?.receiptHandle, first?.receiptHandle);
});

for (const [what, body] of [
	["on which its function ends with an error", "throw"],
	["of which its function answers what is no message of it", "malformed"],
] as const) {
	test(`a batch ${what} comes again as a whole`, async (t) => {
		const { stack, send, deadLetters } = await open(t);
		await send("1", body);
		await stack.settled();
		t.deepEqual(batches(stack), Array(3).fill(["1", body]));
		t.deepEqual(await deadLetters(), ["1", body]);
	});
}

test.serial(
	"a batch waits for the visibility time-out before it comes again, and the stack settles no sooner",
	async (t) => {
		const { stack, send } = await open(t);
		await send("fail");
		await stack.settled();
		const times = logged(stack, "worker").map(({ time = 0 }) => time);
		const pauses = times.slice(1).map((time, i) => time - Number(times[i]));
		t.is(pauses.length, 2);
		t.true(Math.min(...pauses) >= 180, `${pauses} ms`);
	},
);

test("events that are put at once come in one batch", async (t) => {
	const text = JSON.stringify((await program).resources);
	const arnOf = (name: string) => new RegExp(`arn:aws:sqs:[^"\\\\]*:${name}-\\w{7}`, "g");
	const [work = ""] = arnOf("work").exec(text) ?? [];
	const toWork = (each: Resource): Resource =>
		/EventTarget$|QueuePolicy$/.test(each.type)
			? { ...each, inputs: JSON.parse(JSON.stringify(each.inputs).replace(arnOf("heard"), work)) }
			: each;
	const whole = await program;
	const { stack } = await open(t, { ...whole, resources: whole.resources.map(toWork) });
	const { eventBusName: EventBusName } = stack.outputs;
	const entry = { EventBusName, Source: "queued", DetailType: "t", Detail: "{}" };
	for (let i = 0; i < 2; i++) {
		await new EventBridgeClient(stack.clientOptions).send(
			new PutEventsCommand({ Entries: Array(10).fill(entry) }),
		);
		await stack.settled();
	}
	t.deepEqual(
		batches(stack).map(({ length }) => length),
		[10, 10],
	);
});

test("no more batches than the maximum are worked on at once", async (t) => {
	const { stack, send } = await open(t);
	let invocations = 0;
	stack.onCall(({ service, caller }) => {
		if (service === "lambda" && caller === "sqs") invocations++;
	});
	const lift = stack.fault({ service: "lambda", caller: "sqs", kind: "hang" });
	for (let i = 0; i < 6; i++) await send(...Array(10).fill("1"));
	t.is(invocations, 2);
	lift();
	await stack.settled();
	t.is(batches(stack).flat().length, 60);
});

test("a message that arrives just when the queue was found empty is consumed", async (t) => {
	const whole = await program;
	const resources = whole.resources.map((each) =>
		each.name === "work" && /EventSourceMapping$/.test(each.type)
			? { ...each, inputs: { ...each.inputs, scalingConfig: { maximumConcurrency: 1 } } }
			: each,
	);
	const { stack, send } = await open(t, { ...whole, resources });
	stack.fault({
		service: "sqs",
		operation: "ReceiveMessage",
		kind: "delay",
		milliseconds: 300,
		afterWork: true,
	});
	let received = 0;
	const foundEmpty = new Promise<void>((resolve) => {
		stack.onCall(({ operation }) => {
			if (operation === "ReceiveMessage" && ++received === 2) resolve();
		});
	});
	await send("1");
	await foundEmpty;
	await send("2");
	await stack.settled();
	t.deepEqual(batches(stack), [["1"], ["2"]]);
});

test("what cannot be invoked for a while is consumed afterwards, though it was tried before", async (t) => {
	const { stack, send, deadLetters } = await open(t);
	stack.fault({ service: "lambda", caller: "sqs", kind: "throttle", times: 2 });
	await send("1");
	await stack.settled();
	t.deepEqual(batches(stack), [["1"]]);
	t.deepEqual(await deadLetters(), []);
});

test("a redrive brings back what failed, to be consumed by a function that can by then", async (t) => {
	const { stack, sqs, send, left, deadLetters } = await open(t);
	const lift = stack.fault({ service: "lambda", caller: "sqs", kind: "throttle" });
	await send("1", "2");
	await stack.settled();
	t.deepEqual(await deadLetters(), ["1", "2"]);
	lift();
	const SourceArn = declared(stack.program, "aws:sqs/queue:Queue").find(
		({ name }) => name === "deadLetters",
	)?.arn;
	await sqs.send(new StartMessageMoveTaskCommand({ SourceArn }));
	await stack.settled();
	t.deepEqual(await deadLetters(), []);
	t.deepEqual(batches(stack).flat(), ["1", "2"]);
	t.is(await left(), 0);
});

for (const action of ["sqs:ReceiveMessage", "sqs:GetQueueAttributes"]) {
	test(`a function that lacks ${action} consumes nothing`, async (t) => {
		const { stack, send, left } = await open(t, without(action));
		await send("1");
		await stack.settled();
		t.deepEqual(batches(stack), []);
		t.is(await left(), 1);
	});
}

test("a function that lacks sqs:DeleteMessage consumes a message again and again, until it is a dead letter", async (t) => {
	const { stack, send, deadLetters } = await open(t, without("sqs:DeleteMessage"));
	await send("1");
	await stack.settled();
	t.deepEqual(batches(stack), [["1"], ["1"], ["1"]]);
	t.deepEqual(await deadLetters(), ["1"]);
});

// Streams.

interface Change {
	readonly eventName: string;
	readonly eventSourceARN: string;
	readonly dynamodb: {
		readonly ApproximateCreationDateTime: number;
		readonly Keys: { readonly PK: { readonly S: string } };
		readonly NewImage?: { readonly n: { readonly N: string } };
		readonly OldImage?: { readonly n: { readonly N: string } };
		readonly SequenceNumber: string;
	};
}

const changes = (stack: Stack) =>
	logged<Change>(stack, "follower").flatMap(({ Records }) => (Records ? [Records] : []));

test("a function gets each change of an item once, in order, with the item before and after", async (t) => {
	const { stack, items, put, TableName } = await open(t);
	const Key = { PK: "1", SK: "PROFILE" };
	await put({ ...Key, n: 1, address: { city: "Turin" } });
	const add = (number: number) =>
		items.send(
			new UpdateCommand({
				TableName,
				Key,
				UpdateExpression: "ADD n :number",
				ExpressionAttributeValues: { ":number": number },
			}),
		);
	await add(1);
	await add(0); // nothing new
	await put({ ...Key, address: { city: "Turin" }, n: 2 }); // again nothing
	await put({ ...Key, SK: "ORDER", n: 9 }); // not for this function
	await items.send(
		new BatchWriteCommand({
			RequestItems: { [String(TableName)]: [{ PutRequest: { Item: { ...Key, n: 3 } } }] },
		}),
	);
	await items.send(new DeleteCommand({ TableName, Key }));
	await items.send(new DeleteCommand({ TableName, Key })); // nothing left
	await stack.settled();
	const seen = changes(stack).flat();
	t.deepEqual(
		seen.map(({ eventName, dynamodb: { OldImage, NewImage } }) => [
			eventName,
			OldImage?.n.N,
			NewImage?.n.N,
		]),
		[
			["INSERT", undefined, "1"],
			["MODIFY", "1", "2"],
			["MODIFY", "2", "3"],
			["REMOVE", "3", undefined],
		],
	);
	const numbers = seen.map(({ dynamodb }) => dynamodb.SequenceNumber);
	t.deepEqual(numbers, [...numbers].sort());
	t.true(numbers.every((number) => /^\d{21}$/.test(number)));
	t.like(seen[0], {
		eventVersion: "1.1",
		eventSource: "aws:dynamodb",
		awsRegion: "us-east-1",
		dynamodb: {
			Keys: { PK: { S: "1" }, SK: { S: "PROFILE" } },
			StreamViewType: "NEW_AND_OLD_IMAGES",
		},
	});
	t.true(Number.isInteger(seen[0]?.dynamodb.ApproximateCreationDateTime));
});

test("writes of one item at once make a chain of changes, each from what the one before has left", async (t) => {
	const { stack, items, TableName } = await open(t);
	const count = () =>
		items.send(
			new UpdateCommand({
				TableName,
				Key: { PK: "1", SK: "PROFILE" },
				UpdateExpression: "ADD n :one",
				ExpressionAttributeValues: { ":one": 1 },
			}),
		);
	await Promise.all(Array.from({ length: 50 }, count));
	await stack.settled();
	const seen = changes(stack).flat();
	t.deepEqual(
		seen.map(({ dynamodb }) => [dynamodb.OldImage?.n.N, dynamodb.NewImage?.n.N]),
		Array.from({ length: 50 }, (_, i) => [i === 0 ? undefined : String(i), String(i + 1)]),
	);
});

for (const [how, attribute] of [
	["ends with an error", "poison"],
	["reports it", "refused"],
] as const) {
	test(`a record on which the function ${how} until it is too old neither blocks the shard nor is lost`, async (t) => {
		const { stack, items, put, TableName, deadLetters } = await open(t);
		const keys = ["1", "2", "3", "4", "5"];
		await items.send(
			new BatchWriteCommand({
				RequestItems: {
					[String(TableName)]: keys.map((PK) => ({
						PutRequest: {
							Item: { PK, SK: "PROFILE", n: 1, ...(PK === "3" && { [attribute]: 1 }) },
						},
					})),
				},
			}),
		);
		await put({ PK: "6", SK: "PROFILE", n: 1 });
		await stack.settled();
		const poisoned = changes(stack)
			.flat()
			.find(({ dynamodb }) => dynamodb.Keys.PK.S === "3");
		const done = changes(stack).flatMap((batch) => {
			const seen = batch.map(({ dynamodb }) => dynamodb.Keys.PK.S);
			const at = seen.indexOf("3");
			// What is reported leaves those before it done; an error leaves none.
			return at < 0 ? seen : attribute === "refused" ? seen.slice(0, at) : [];
		});
		t.deepEqual(done.sort(), ["1", "2", "4", "5", "6"]);
		const [letter = "", ...others] = await deadLetters();
		t.deepEqual(others, []);
		t.like(JSON.parse(letter), {
			requestContext: { condition: "RecordAgeExceeded" },
			DDBStreamBatchInfo: {
				shardId: "shardId-00000000000000000000-00000000",
				startSequenceNumber: poisoned?.dynamodb.SequenceNumber,
				endSequenceNumber: poisoned?.dynamodb.SequenceNumber,
				batchSize: 1,
				streamArn: poisoned?.eventSourceARN,
			},
		});
	});
}

test("a record is given up after as many retries as the mapping says", async (t) => {
	const whole = await program;
	const resources = whole.resources.map((each) =>
		each.name === "items" && /EventSourceMapping$/.test(each.type)
			? {
					...each,
					inputs: { ...each.inputs, maximumRetryAttempts: 1, maximumRecordAgeInSeconds: -1 },
				}
			: each,
	);
	const { stack, put, deadLetters } = await open(t, { ...whole, resources });
	await put({ PK: "1", SK: "PROFILE", poison: 1 });
	await stack.settled();
	t.is(changes(stack).length, 2);
	const [letter = ""] = await deadLetters();
	t.like(JSON.parse(letter).requestContext, {
		condition: "RetryAttemptsExhausted",
		approximateInvokeCount: 2,
	});
});

test("a stream whose function cannot be invoked for a while loses nothing, and keeps its order", async (t) => {
	const { stack, put } = await open(t);
	stack.fault({ service: "lambda", caller: "dynamodb", kind: "throttle", times: 2 });
	await put({ PK: "1", SK: "PROFILE", n: 1 });
	await put({ PK: "1", SK: "PROFILE", n: 2 });
	await stack.settled();
	const seen = changes(stack).flat();
	t.deepEqual(
		seen.map(({ eventName }) => eventName),
		["INSERT", "MODIFY"],
	);
});

for (const action of [
	"dynamodb:ListStreams",
	"dynamodb:DescribeStream",
	"dynamodb:GetShardIterator",
	"dynamodb:GetRecords",
]) {
	test(`a function that lacks ${action} gets no change`, async (t) => {
		const { stack, put } = await open(t, without(action));
		await put({ PK: "1", SK: "PROFILE", n: 1 });
		await stack.settled();
		t.deepEqual(changes(stack), []);
	});
}

test("a function that lacks sqs:SendMessage loses what it cannot consume", async (t) => {
	const { stack, put, deadLetters } = await open(t, without("sqs:SendMessage"));
	await put({ PK: "1", SK: "PROFILE", poison: 1 });
	await stack.settled();
	t.deepEqual(await deadLetters(), []);
});
