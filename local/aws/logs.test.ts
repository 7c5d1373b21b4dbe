import test from "ava";
import type { Program } from "../program";
import { type Stack, startStack } from "../stack";

// What `aws logs` reads after a function has written.

const logGroupName = "recordUser-1a2b3c4";
const program: Program = {
	directory: __dirname,
	region: "us-east-1",
	resources: [
		{
			type: "aws:cloudwatch/logGroup:LogGroup",
			name: "recordUser",
			id: logGroupName,
			arn: "arn:aws:logs:us-east-1:123456789012:log-group:recordUser-1a2b3c4",
			physicalName: logGroupName,
			protect: false,
			inputs: {},
		},
	],
	outputs: {},
};

const lines = [
	'{"level":"INFO","message":{"outcome":"created"}}',
	'{"level":"ERROR","message":{"type":"StoreUnavailable","attempt":2}}',
	"RequestId: 1 Error: Task timed out after 3.00 seconds",
];

let stack: Stack;

test.before(async () => {
	stack = await startStack({ program });
	for (const logStreamName of ["first", "second"]) {
		await call("CreateLogStream", { logGroupName, logStreamName });
	}
	const logEvents = lines.map((message, index) => ({ message, timestamp: 1000 * (index + 1) }));
	await call("PutLogEvents", { logGroupName, logStreamName: "first", logEvents });
	const late = [{ message: "of another environment", timestamp: 9000 }];
	await call("PutLogEvents", { logGroupName, logStreamName: "second", logEvents: late });
});
test.after.always(() => stack.close());

/** Calls as the AWS CLI does. */
async function call(operation: string, body: object, authorization = "Credential=local/") {
	const headers = { authorization, "x-amz-target": `Logs_20140328.${operation}` };
	const request = { method: "POST", headers, body: JSON.stringify(body) };
	return Object(await (await fetch(stack.endpoint, request)).json());
}

async function messages(operation: string, request: object) {
	const { events } = await call(operation, { logGroupName, ...request });
	return events.map(({ message }: { message: string }) => message);
}

for (const [what, filterPattern, expected] of [
	["everything", "", [...lines, "of another environment"]],
	["what has a property", '{ $.level = "ERROR" }', [lines[1]]],
	["what has another", '{ $.level != "ERROR" }', [lines[0]]],
	["what has one deep inside", "{ $.message.attempt = 2 }", [lines[1]]],
	["what has every term", '"timed out" RequestId', [lines[2]]],
] as const) {
	test(`a filter of a function's lines finds ${what}: ${filterPattern}`, async (t) => {
		t.deepEqual(await messages("FilterLogEvents", { filterPattern }), [...expected]);
	});
}

test("lines are read by time, by stream, and the last of them", async (t) => {
	t.deepEqual(
		await messages("FilterLogEvents", { startTime: 2000, endTime: 3000 }),
		lines.slice(1),
	);
	const logStreamName = "first";
	t.deepEqual(await messages("FilterLogEvents", { logStreamNames: [logStreamName] }), lines);
	t.deepEqual(await messages("GetLogEvents", { logStreamName }), lines);
	t.deepEqual(await messages("GetLogEvents", { logStreamName, limit: 1 }), lines.slice(-1));
});

test("a function's log group is found by how its name begins, and its streams with it", async (t) => {
	const groups = (logGroupNamePrefix: string) => call("DescribeLogGroups", { logGroupNamePrefix });
	t.deepEqual(await groups("recordUser-"), { logGroups: [{ logGroupName }] });
	t.deepEqual(await groups("publish"), { logGroups: [] });
	const { logStreams } = await call("DescribeLogStreams", { logGroupName });
	t.like(logStreams, [{ logStreamName: "first" }, { logStreamName: "second" }]);
});

test("what is not there, not understood or not permitted is refused by name", async (t) => {
	const missing = await call("FilterLogEvents", { logGroupName: "another" });
	t.is(missing.__type, "ResourceNotFoundException");
	const stream = await call("GetLogEvents", { logGroupName, logStreamName: "another" });
	t.is(stream.__type, "ResourceNotFoundException");
	for (const filterPattern of [
		"{ $.a = 1 && $.b = 2 }",
		"[ip, user]",
		"ERROR -expected",
		"?a ?b",
	]) {
		const refused = await call("FilterLogEvents", { logGroupName, filterPattern });
		t.is(refused.__type, "InvalidParameterException");
		t.true(refused.message.includes(filterPattern), refused.message);
	}
	const unsigned = await call("FilterLogEvents", { logGroupName }, "");
	t.is(unsigned.__type, "MissingAuthenticationTokenException");
});
