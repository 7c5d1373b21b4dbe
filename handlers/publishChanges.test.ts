import { marshall } from "@aws-sdk/util-dynamodb";
import test, { type ExecutionContext } from "ava";
import type { DynamoDBRecord } from "aws-lambda";
import { parseChange } from "../domain";
import { profileKey } from "../domain/user/keys";
import type { Fault } from "../local/faults";
import type { Stack } from "../local/stack";
import { deadLetters } from "../testing/deadLetters";
import { startTestStack } from "../testing/testStack";

let stack: Stack;
let handler: typeof import("./publishChanges").handler;
test.before(async () => {
	stack = await startTestStack();
	Object.assign(process.env, {
		AWS_ENDPOINT_URL: stack.endpoint,
		AWS_REGION: stack.clientOptions.region,
		AWS_ACCESS_KEY_ID: "local",
		AWS_SECRET_ACCESS_KEY: "local",
		EVENT_BUS_NAME: stack.outputs.eventBusName,
		DEAD_LETTER_QUEUE_URL: stack.outputs.deadLetterQueueUrl,
	});
	({ handler } = require("./publishChanges"));
});
test.after.always(() => stack?.close());

const time = "2026-11-21T02:59:46.000Z";

/** The item of somebody, as it lies in the table. */
const itemOf = (sub: string, more: object = {}) => ({
	...profileKey(sub),
	username: sub,
	email: `${sub}@example.com`,
	emailVerified: true,
	GSI1PK: `EMAIL#${sub}@example.com`,
	GSI1SK: `VERIFIED#${time}`,
	_et: "User",
	userId: "15cf2468-7f4c-49ea-8e9b-08807f79d921",
	identityVersion: 1,
	createdAt: time,
	updatedAt: time,
	...more,
});

let sequence = 100_000_000_003_498_069_978n;

/** A record of the stream, as Lambda gives it. */
function record(sub: string, items: { before?: object; after?: object }): DynamoDBRecord {
	const image = (item: object) => marshall(item, { removeUndefinedValues: true });
	const { before, after } = items;
	sequence += 1n;
	return JSON.parse(
		JSON.stringify({
			eventID: "c81e728d9d4c2f636f067f89cc14862c",
			eventName: before ? (after ? "MODIFY" : "REMOVE") : "INSERT",
			eventSource: "aws:dynamodb",
			dynamodb: {
				Keys: image(profileKey(sub)),
				...(before && { OldImage: image(before) }),
				...(after && { NewImage: image(after) }),
				SequenceNumber: String(sequence),
				StreamViewType: "NEW_AND_OLD_IMAGES",
			},
		}),
	);
}

const created = (sub: string, more?: object) => record(sub, { after: itemOf(sub, more) });
const corrupt = (sub: string) => created(sub, { email: undefined });
const sequenceOf = ({ dynamodb }: DynamoDBRecord | undefined = {}) =>
	String(dynamodb?.SequenceNumber);

/** People of a test's own: their subs. */
const people = (test: string, count: number) =>
	Array.from({ length: count }, (_, i) => `${test}-${String(i).padStart(3, "0")}`);

/** The subs of whom the bus was told, in order. */
const told = (test: string) =>
	stack
		.events()
		.map((event) => parseChange(event)._unsafeUnwrap().user.sub)
		.filter((sub) => sub.startsWith(test));

/** The records of a test's own that rest in the dead-letter queue. */
async function resting(test: string) {
	const letters = await deadLetters(stack);
	// Where other things rest as well, they are no records.
	return letters
		.map((letter) => letter as unknown as DynamoDBRecord)
		.filter(({ dynamodb }) => dynamodb?.Keys?.PK?.S?.includes(test));
}

/** Runs the handler, and answers what it answered and what it logged. */
async function consume(t: ExecutionContext, ...Records: DynamoDBRecord[]) {
	const logged: object[] = [];
	const { error, info } = console;
	console.error = console.info = (line: object) => logged.push(line);
	try {
		const { batchItemFailures } = await handler({ Records });
		const text = JSON.stringify(logged);
		t.false(text.includes("@example.com"), "no line names anybody but by sub");
		return { failures: batchItemFailures.map(({ itemIdentifier }) => itemIdentifier), logged };
	} finally {
		Object.assign(console, { error, info });
	}
}

test.serial("every change is published in order, with a line in the log", async (t) => {
	const subs = people("order", 25);
	const [first = "", ...others] = subs;
	const records = [
		record(first, { after: itemOf(first) }),
		record(first, { before: itemOf(first), after: itemOf(first, { name: "Ada" }) }),
		record(first, { before: itemOf(first), after: itemOf(first, { updatedAt: "later" }) }),
		record(first, { before: itemOf(first) }),
		...others.map((sub) => created(sub)),
	];
	const { failures, logged } = await consume(t, ...records);
	t.deepEqual(failures, []);
	t.deepEqual(told("order"), [first, first, ...subs]);
	const changes = stack.events().map((event) => parseChange(event)._unsafeUnwrap());
	t.like(
		changes.slice(0, 3),
		[
			{ type: "UserCreated" },
			{ type: "UserUpdated", changed: ["name"] },
			{ type: "UserRemoved", sequence: sequenceOf(records[3]).padStart(40, "0") },
		],
		"an update that changes nothing is none",
	);
	t.deepEqual(logged[1], { type: "UserUpdated", sub: first, sequence: sequenceOf(records[1]) });
	t.is(logged.length, changes.length);
});

for (const kind of ["throttle", "fail", "disconnect", "failEntries"] as const) {
	test.serial(
		`when the bus does not take a call (${kind}), its first record and all after it come again`,
		async (t) => {
			const name = `again-${kind}`;
			const records = people(name, 25).map((sub) => created(sub));
			const fault: Fault = { service: "events", kind };
			let calls = 0;
			let lift = () => {};
			const stop = stack.onCall(({ operation }) => {
				if (operation === "PutEvents" && ++calls === 2) lift = stack.fault(fault);
			});
			const { failures, logged } = await consume(t, ...records);
			stop();
			lift();
			t.deepEqual(failures, [sequenceOf(records[10])]);
			t.like(logged.at(-1), { type: "EventRejected", sub: `${name}-010`, retryable: true });
			t.deepEqual(told(name), people(name, 10));

			t.deepEqual((await consume(t, ...records.slice(10))).failures, []);
			t.deepEqual(told(name), people(name, 25));
			t.deepEqual(await resting(name), []);
		},
	);
}

test.serial(
	"a record that does not parse rests whole in the dead-letter queue, with its reason in the log, and those after it are published",
	async (t) => {
		const [before = "", poison = "", after = ""] = people("poison", 3);
		const records = [created(before), corrupt(poison), created(after)];
		const { failures, logged } = await consume(t, ...records);
		t.deepEqual(failures, []);
		t.deepEqual(told("poison"), [before, after]);
		t.deepEqual(await resting("poison"), records.slice(1, 2));
		const issues = [{ path: "email", message: "is missing" }];
		t.like(logged[1], { type: "CorruptUser", sub: poison, issues });
	},
);

test.serial(
	"a record on which something throws, and one that the bus refuses for what it is, are no others' failure",
	async (t) => {
		const [before = "", throwing = "", refused = "", after = ""] = people("odd", 4);
		const records = [before, throwing, refused, after].map((sub) => created(sub));
		// A type that DynamoDB does not have yet.
		Object.assign(Object(records[1]?.dynamodb?.NewImage), { identityVersion: { FUTURE: "1" } });
		const stop = stack.onCall(({ operation, body }) => {
			if (operation !== "PutEvents") return;
			for (const entry of Object(body).Entries) {
				if (entry.Detail.includes(refused)) entry.Detail = "{";
			}
		});
		const { failures, logged } = await consume(t, ...records);
		stop();
		t.deepEqual(failures, []);
		t.deepEqual(told("odd"), [before, after]);
		t.deepEqual(await resting("odd"), records.slice(1, 3));
		t.like(logged[1], { type: "UnexpectedError", sub: throwing });
		t.like(logged[2], { type: "InvalidEvent", sub: refused });
	},
);

test.serial(
	"users that are too large together are published one at a time, and one that is too large alone rests",
	async (t) => {
		const subs = people("large", 5);
		const [first = "", second = "", third = "", tooLarge = "", last = ""] = subs;
		const name = "x".repeat(350_000);
		// Characters that are six in JSON.
		const records = [
			...[first, second, third].map((sub) => created(sub, { name })),
			created(tooLarge, { name: "\u0001".repeat(350_000) }),
			created(last),
		];
		const { failures, logged } = await consume(t, ...records);
		t.deepEqual(failures, []);
		t.deepEqual(told("large"), [first, second, third, last]);
		t.like(logged[3], { type: "InvalidEvent", sub: tooLarge });
		const { NewImage, ...rest } = records[3]?.dynamodb ?? {};
		t.deepEqual(
			await resting("large"),
			[{ ...records[3], dynamodb: rest }],
			"too large for SQS too",
		);
	},
);

test.serial(
	"when the dead-letter queue does not take a record, it comes again with all after it",
	async (t) => {
		const [before = "", poison = "", after = ""] = people("stuck", 3);
		const records = [created(before), corrupt(poison), created(after)];
		const lift = stack.fault({ service: "sqs", operation: "SendMessage", kind: "fail" });
		const { failures, logged } = await consume(t, ...records);
		lift();
		t.deepEqual(failures, [sequenceOf(records[1])]);
		t.like(logged.slice(1), [
			{ type: "CorruptUser", sub: poison },
			{ type: "DeadLetterRejected", sub: poison, retryable: true },
		]);
		t.deepEqual(await resting("stuck"), []);
		t.deepEqual((await consume(t, ...records.slice(1))).failures, []);
		t.deepEqual(await resting("stuck"), records.slice(1, 2));
		t.is(told("stuck").at(-1), after);
	},
);

test.serial("a record with characters that SQS refuses rests as it was", async (t) => {
	const poison = created("noncharacters", { email: undefined, name: "\uffff\ufffe\u0000" });
	const sent: string[] = [];
	const stop = stack.onCall(({ operation, body }) => {
		if (operation === "SendMessage") sent.push(Object(body).MessageBody);
	});
	t.deepEqual((await consume(t, poison)).failures, []);
	stop();
	t.is(sent.length, 1);
	t.notRegex(sent.join(), /[\0\ufffe\uffff]/);
	t.deepEqual(await resting("noncharacters"), [poison]);
});
