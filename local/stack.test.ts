import { existsSync } from "node:fs";
import { join } from "node:path";
import {
	CognitoIdentityProviderClient,
	ListUsersCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { DescribeTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { RunError } from "@pulumi/pulumi/errors";
import test from "ava";
import { createUsers, openTable } from "../domain";
import { People } from "../testing/people";
import { startTestStack } from "../testing/testStack";
import { type Stack, startStack } from "./stack";

const directory = join(__dirname, "../testing/secondProgram");
let stack: Stack;

test.before(async () => {
	stack = await startStack({ directory });
});
test.after.always(() => stack.close());

async function invoke(name: string, on = stack) {
	const { physicalName } = on.program.resources.find(
		(each) => each.type === "aws:lambda/function:Function" && each.name === name,
	) ?? { physicalName: name };
	const response = await fetch(`${on.endpoint}/2015-03-31/functions/${physicalName}/invocations`, {
		method: "POST",
		headers: { authorization: "Credential=local/" },
		body: "{}",
	});
	const error = response.headers.get("x-amz-function-error");
	// What the functions of the test program answer, and Lambda for them, has text in every field.
	const answer = (await response.json()) as Record<string, string>;
	return { status: response.status, error, answer };
}

async function sqs(operation: string, body: object) {
	const response = await fetch(stack.endpoint, {
		method: "POST",
		headers: { "x-amz-target": `AmazonSQS.${operation}`, authorization: "Credential=local/" },
		body: JSON.stringify(body),
	});
	return (await response.json()) as object;
}

test("any AWS SDK reaches every service of this project's own program at one endpoint", async (t) => {
	const own = await startTestStack();
	const calls: string[] = [];
	own.onCall(({ service, operation, caller }) => calls.push(`${caller} ${service} ${operation}`));
	const { Table } = await new DynamoDBClient(own.clientOptions).send(
		new DescribeTableCommand({ TableName: own.outputs.tableName }),
	);
	const { Users } = await new CognitoIdentityProviderClient(own.clientOptions).send(
		new ListUsersCommand({ UserPoolId: own.outputs.userPoolId }),
	);
	const { FailedEntryCount } = await new EventBridgeClient(own.clientOptions).send(
		new PutEventsCommand({
			Entries: [
				{ EventBusName: own.outputs.eventBusName, Source: "a", DetailType: "b", Detail: "{}" },
			],
		}),
	);
	await own.close();
	t.is(Table?.TableStatus, "ACTIVE");
	t.deepEqual(Users, []);
	t.is(FailedEntryCount, 0);
	t.deepEqual(calls, [
		"local dynamodb DescribeTable",
		"local cognito-idp ListUsers",
		"local events PutEvents",
	]);
});

test("a person signs up and in where mail goes through SES, and their tokens name the issuer of the outputs", async (t) => {
	const own = await startTestStack({
		emailFrom: "Shop <no-reply@example.com>",
		emailIdentityArn: "arn:aws:ses:us-east-1:123456789012:identity/example.com",
	});
	try {
		const people = new People(own);
		await people.admit("ada@example.com");
		const { iss } = await people.signIn("ada@example.com");
		t.is(iss, own.outputs.issuer);
		t.is(iss, `${own.endpoint}/${own.outputs.userPoolId}`);
	} finally {
		await own.close();
	}
});

test("a function has its declared environment, and nothing of the developer's", async (t) => {
	process.env.DEVELOPERS_OWN = "secret";
	const { answer } = await invoke("environment");
	t.is(answer.GREETING, "hello");
	t.is(answer.AWS_ENDPOINT_URL, stack.endpoint);
	t.is(answer.DEVELOPERS_OWN, undefined);
});

test("a function that exceeds its time-out is stopped and reported", async (t) => {
	const { status, error, answer } = await invoke("slow");
	t.is(status, 200);
	t.is(error, "Unhandled");
	t.regex(answer.errorMessage ?? "", /Task timed out after 1\.00 seconds$/);
});

test("a function whose process ends is reported, and the next invocation has a new one", async (t) => {
	for (const _ of [1, 2]) {
		const { answer } = await invoke("dying");
		t.is(answer.errorType, "Runtime.ExitError");
	}
});

test("more invocations than environments wait for their turn", async (t) => {
	const answers = await Promise.all(Array.from({ length: 25 }, () => invoke("environment")));
	t.true(answers.every(({ answer }) => answer.GREETING === "hello"));
});

test("an event that its function fails on is tried three times, and given up", async (t) => {
	const put = (source: string, kind: string) => ({
		EventBusName: stack.outputs.eventBusName,
		Source: source,
		DetailType: "t",
		Detail: JSON.stringify({ kind }),
	});
	const { Entries } = await new EventBridgeClient(stack.clientOptions).send(
		new PutEventsCommand({
			Entries: [put("test", "wanted"), put("test", "unwanted"), { ...put("x", "y"), Detail: "{" }],
		}),
	);
	await stack.settled();
	t.is(Entries?.[2]?.ErrorCode, "MalformedDetail");
	t.is(stack.events().length, 2);
	t.is(stack.logs("failing").filter((line) => line.includes("tried wanted")).length, 3);
});

test("it says what it does not run, and refuses what it would run wrongly", async (t) => {
	t.deepEqual(stack.notRun, {
		resources: [
			"aws:apigatewayv2/api:Api",
			"aws:apigatewayv2/integration:Integration",
			"aws:apigatewayv2/route:Route",
			"aws:apigatewayv2/stage:Stage",
			"aws:iam/rolePolicyAttachment:RolePolicyAttachment",
			"aws:kinesis/stream:Stream",
			"aws:s3/bucket:Bucket",
			"aws:sns/topic:Topic",
			"aws:cloudwatch/eventTarget:EventTarget analytics",
			"aws:lambda/eventSourceMapping:EventSourceMapping elsewhere",
		],
		outputs: ["apiUrl", "apiPath"],
	});
	t.regex(stack.outputs.names ?? "", /^{"pool":"people-\w{7}","bus":"events-\w{7}"}$/);
	const settings = { pattern: '{"source": [{"numeric": [">", 0]}]}' };
	const error = await t.throwsAsync(startStack({ directory, settings }));
	t.true(RunError.isInstance(error));
	t.regex(error?.message ?? "", /rule wanted .*"numeric"/);
});

test("what AWS has and the stack has not is refused by name", async (t) => {
	t.like(await sqs("TagQueue", { QueueUrl: stack.outputs.deadLetterQueueUrl }), {
		__type: "UnsupportedOperation",
	});
	t.is((await invoke("nobody")).status, 404);
	t.is((await fetch(stack.endpoint)).status, 400);
});

test("closing ends even what is under way, and leaves nothing behind", async (t) => {
	const closing = await startStack({ directory });
	const { LAMBDA_TASK_ROOT = "" } = (await invoke("environment", closing)).answer;
	t.true(existsSync(LAMBDA_TASK_ROOT));
	const underWay = t.throwsAsync(invoke("slow", closing));
	await closing.close();
	await underWay;
	await t.throwsAsync(invoke("environment", closing));
	t.false(existsSync(LAMBDA_TASK_ROOT));
});

test("what hangs by a fault is let go when the fault is lifted, and when the stack closes", async (t) => {
	const hanging = await startStack({ program: stack.program });
	const call = async () => {
		const arrived = new Promise((resolve) => hanging.onCall(resolve));
		const lost = t.throwsAsync(invoke("environment", hanging));
		await arrived;
		return { lost };
	};
	const lift = hanging.fault({ service: "lambda", kind: "hang" });
	const first = await call();
	lift();
	await first.lost;
	t.is((await invoke("environment", hanging)).answer.GREETING, "hello");
	hanging.fault({ service: "lambda", kind: "hang" });
	const second = await call();
	await hanging.close();
	await second.lost;
});

test("a put that a condition refuses answers the item in the way, in one round trip", async (t) => {
	const own = await startTestStack();
	t.teardown(own.close);
	const users = createUsers(
		openTable({
			tableName: String(own.outputs.tableName),
			client: new DynamoDBClient(own.clientOptions),
		}),
	);
	const ada = { sub: "1", username: "1", email: "ada@example.com", emailVerified: true };
	const user = (await users.register(ada))._unsafeUnwrap();
	const calls: string[] = [];
	own.onCall(({ operation, caller }) => caller === "local" && calls.push(operation));
	t.deepEqual((await users.register(ada))._unsafeUnwrapErr(), { type: "UserAlreadyExists", user });
	t.deepEqual(calls, ["PutItem"]);
});
