import { RunError } from "@pulumi/pulumi";
import test from "ava";
import { identityEntries } from "./domain/user/identity";
import { type EvaluateOptions, evaluate } from "./local/evaluate";
import type { Program } from "./local/program";

const programs = new Map<string, Promise<Program>>();

/** What the program declares for a stack with these settings, and the defaults of Pulumi.yaml. */
function declare(settings: EvaluateOptions["settings"] = {}): Promise<Program> {
	const key = JSON.stringify(settings);
	const program = programs.get(key) ?? evaluate({ stack: "none", settings });
	programs.set(key, program);
	return program;
}

/** Settings that are not the defaults. */
const others = {
	"aws:region": "eu-north-1",
	logRetentionDays: 14,
	alarmEmail: "ops@example.com",
	passwordAuth: true,
	protect: false,
	emailFrom: "Shop <no-reply@example.com>",
	emailIdentityArn: "arn:aws:ses:eu-north-1:123456789012:identity/example.com",
};

const types = {
	alarm: "aws:cloudwatch/metricAlarm:MetricAlarm",
	archive: "aws:cloudwatch/eventArchive:EventArchive",
	bus: "aws:cloudwatch/eventBus:EventBus",
	client: "aws:cognito/userPoolClient:UserPoolClient",
	dashboard: "aws:cloudwatch/dashboard:Dashboard",
	filter: "aws:cloudwatch/logMetricFilter:LogMetricFilter",
	fn: "aws:lambda/function:Function",
	mapping: "aws:lambda/eventSourceMapping:EventSourceMapping",
	logGroup: "aws:cloudwatch/logGroup:LogGroup",
	permission: "aws:lambda/permission:Permission",
	pool: "aws:cognito/userPool:UserPool",
	queue: "aws:sqs/queue:Queue",
	queuePolicy: "aws:sqs/queuePolicy:QueuePolicy",
	role: "aws:iam/role:Role",
	rolePolicy: "aws:iam/rolePolicy:RolePolicy",
	rule: "aws:cloudwatch/eventRule:EventRule",
	schedule: "aws:scheduler/schedule:Schedule",
	stateMachine: "aws:sfn/stateMachine:StateMachine",
	subscription: "aws:sns/topicSubscription:TopicSubscription",
	table: "aws:dynamodb/table:Table",
	target: "aws:cloudwatch/eventTarget:EventTarget",
	topic: "aws:sns/topic:Topic",
} as const;

const all = (program: Program, kind: keyof typeof types) =>
	program.resources.filter(({ type }) => type === types[kind]);

function one(program: Program, kind: keyof typeof types, name: string) {
	const [found, ...more] = all(program, kind).filter((each) => each.name === name);
	if (!found || more.length > 0) throw new Error(`not exactly one ${kind} ${name}`);
	return found;
}

/** Every statement of a function's role, by purpose. */
function allowed(program: Program, name: string) {
	const role = one(program, "role", name);
	return Object.fromEntries(
		all(program, "rolePolicy")
			.filter(({ inputs }) => inputs.role === role.physicalName)
			.map((policy) => [
				policy.name.replace(`${name}-`, ""),
				JSON.parse(String(policy.inputs.policy)).Statement,
			]),
	);
}

function grants(program: Program, name: string) {
	const logs = {
		Effect: "Allow",
		Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
		Resource: `${one(program, "logGroup", name).arn}:log-stream:*`,
	};
	const publish = {
		Effect: "Allow",
		Action: ["events:PutEvents"],
		Resource: one(program, "bus", "users").arn,
	};
	const write = {
		Effect: "Allow",
		Action: ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
		Resource: one(program, "table", "users").arn,
	};
	const query = {
		Effect: "Allow",
		Action: ["dynamodb:Query"],
		Resource: `${one(program, "table", "users").arn}/index/GSI2`,
	};
	const link = {
		Effect: "Allow",
		Action: ["cognito-idp:AdminGetUser", "cognito-idp:AdminUpdateUserAttributes"],
		Resource: one(program, "pool", "users").arn,
	};
	const search = {
		Effect: "Allow",
		Action: ["cognito-idp:ListUsers"],
		Resource: one(program, "pool", "users").arn,
	};
	const receive = {
		Effect: "Allow",
		Action: ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
		Resource: one(program, "queue", "recordUser").arn,
	};
	const deadLetters = {
		Effect: "Allow",
		Action: ["sqs:SendMessage"],
		Resource: one(program, "queue", "recordUser-deadLetters").arn,
	};
	return { logs, publish, write: [write, query], link, search, consume: [receive, deadLetters] };
}

const triggers = ["postConfirmation", "postAuthentication"];
const functions = [...triggers, "recordUser", "publishChanges", "reconcile"];

test("in event mode a trigger may publish, and nothing else", async (t) => {
	const program = await declare();
	for (const name of triggers) {
		const { logs, publish } = grants(program, name);
		t.deepEqual(allowed(program, name), { logs: [logs], publish: [publish] });
	}
});

test("in immediate mode a trigger may write and link as well", async (t) => {
	const program = await declare({ writeMode: "immediate" });
	for (const name of triggers) {
		const { logs, publish, write, link } = grants(program, name);
		t.deepEqual(allowed(program, name), {
			logs: [logs],
			publish: [publish],
			write,
			link: [link],
		});
	}
});

test("the consumer may read its queue, write, link, search and keep dead letters, and nothing else", async (t) => {
	const program = await declare();
	const { logs, write, link, search, consume } = grants(program, "recordUser");
	t.deepEqual(allowed(program, "recordUser"), {
		logs: [logs],
		record: [...write, link, search],
		consume,
	});
});

test("publishChanges may read the stream, publish and keep dead letters, and nothing else", async (t) => {
	const program = await declare();
	const { logs, publish } = grants(program, "publishChanges");
	const table = one(program, "table", "users");
	t.like(table.inputs, { streamEnabled: true, streamViewType: "NEW_AND_OLD_IMAGES" });
	const mapping = one(program, "mapping", "publishChanges").inputs;
	t.true(String(mapping.eventSourceArn).startsWith(`${table.arn}/stream/`));
	const Action = ["GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"];
	t.deepEqual(allowed(program, "publishChanges"), {
		logs: [logs],
		publish: [publish],
		consume: [
			{
				Effect: "Allow",
				Action: Action.map((name) => `dynamodb:${name}`),
				Resource: mapping.eventSourceArn,
			},
			{
				Effect: "Allow",
				Action: ["sqs:SendMessage"],
				Resource: one(program, "queue", "publishChanges-deadLetters").arn,
			},
		],
	});
});

test("reconcile may list, write and link, its state machine may call it, its schedule start that, and none of them anything else", async (t) => {
	const program = await declare();
	const { logs, write, link, search } = grants(program, "reconcile");
	const Resource = one(program, "table", "users").arn;
	const scan = { Effect: "Allow", Action: ["dynamodb:Scan"], Resource };
	t.deepEqual(allowed(program, "reconcile"), {
		logs: [logs],
		record: [...write, link, search, scan],
	});
	const machine = one(program, "stateMachine", "reconcile");
	const { inputs: schedule } = one(program, "schedule", "reconcile");
	const start = { target: { arn: machine.arn, input: '{"options":{"prune":true}}' } };
	t.like(schedule, { scheduleExpression: "rate(1 day)", ...start });
	for (const [service, roleArn, Action, Resource] of [
		[
			"states",
			machine.inputs.roleArn,
			"lambda:InvokeFunction",
			one(program, "fn", "reconcile").arn,
		],
		["scheduler", Object(schedule.target).roleArn, "states:StartExecution", machine.arn],
	] as const) {
		const name = `reconcile-${service}`;
		const role = one(program, "role", name);
		t.is(roleArn, role.arn);
		t.deepEqual(Object.values(allowed(program, name)), [
			[{ Effect: "Allow", Action: [Action], Resource }],
		]);
		const { Statement } = JSON.parse(String(role.inputs.assumeRolePolicy));
		t.deepEqual(Statement, [
			{
				Effect: "Allow",
				Principal: { Service: `${service}.amazonaws.com` },
				Action: "sts:AssumeRole",
				Condition: { StringEquals: { "aws:SourceAccount": "123456789012" } },
			},
		]);
	}
});

test("reconcileSchedule and reconcilePrune say when it runs by itself, and whether it prunes", async (t) => {
	t.deepEqual(all(await declare({ reconcileSchedule: "" }), "schedule"), []);
	const program = await declare({ reconcileSchedule: "cron(0 3 * * ? *)", reconcilePrune: false });
	t.like(one(program, "schedule", "reconcile").inputs, {
		scheduleExpression: "cron(0 3 * * ? *)",
		flexibleTimeWindow: { mode: "OFF" },
		target: { input: '{"options":{"prune":false}}' },
	});
});

test("every function has a role of its own, which Lambda alone assumes, without a managed policy", async (t) => {
	const program = await declare();
	t.deepEqual(
		functions.map((name) => one(program, "fn", name).inputs.role),
		functions.map((name) => one(program, "role", name).arn),
	);
	const roles = all(program, "fn").map(({ inputs }) => inputs.role);
	t.is(new Set(roles).size, roles.length);
	for (const { inputs } of functions.map((name) => one(program, "role", name))) {
		t.is(inputs.managedPolicyArns, undefined);
		const { Statement } = JSON.parse(String(inputs.assumeRolePolicy));
		t.deepEqual(
			Statement.map(({ Principal }: { Principal: unknown }) => Principal),
			[{ Service: "lambda.amazonaws.com" }],
		);
	}
	const ours = new Set(functions.map((name) => one(program, "role", name).physicalName));
	t.deepEqual(
		program.resources.filter(
			({ type, inputs }) => /PolicyAttachment/.test(type) && ours.has(String(inputs.role)),
		),
		[],
	);
});

test("the pool alone may invoke the triggers", async (t) => {
	const program = await declare();
	for (const name of triggers) {
		const invoked = one(program, "fn", name).physicalName;
		const found = all(program, "permission").filter(({ inputs }) => inputs.function === invoked);
		t.deepEqual(
			found.map(({ inputs }) => inputs),
			[
				{
					action: "lambda:InvokeFunction",
					function: invoked,
					principal: "cognito-idp.amazonaws.com",
					sourceArn: one(program, "pool", "users").arn,
				},
			],
		);
	}
});

test("the consumer's rules alone may send to its queues from outside, which are encrypted", async (t) => {
	const program = await declare();
	const rules = ["recordUser", "recordUser-default"].map((name) => one(program, "rule", name).arn);
	for (const name of ["recordUser", "recordUser-deadLetters"]) {
		const queue = one(program, "queue", name);
		const policy = one(program, "queuePolicy", name);
		t.is(policy.inputs.queueUrl, queue.id);
		t.deepEqual(JSON.parse(String(policy.inputs.policy)).Statement, [
			{
				Effect: "Allow",
				Principal: { Service: "events.amazonaws.com" },
				Action: "sqs:SendMessage",
				Resource: queue.arn,
				Condition: { ArnEquals: { "aws:SourceArn": rules } },
			},
		]);
		t.is(queue.inputs.sqsManagedSseEnabled, true);
	}
});

test("the app client reads and writes what the registry lets it, and reads the link, which it cannot write", async (t) => {
	const { inputs } = one(await declare(), "client", "users");
	const allowedTo = (...accesses: string[]) =>
		identityEntries
			.filter(([, { client = "" }]) => accesses.includes(client))
			.map(([, { cognito }]) => cognito);
	t.deepEqual(inputs.readAttributes, ["custom:userId", ...allowedTo("read", "readWrite")]);
	t.deepEqual(inputs.writeAttributes, allowedTo("readWrite"));
	t.true(allowedTo("readWrite").includes("email"));
	t.false(allowedTo("readWrite").includes("custom:userId"));
	t.like(inputs, { preventUserExistenceErrors: "ENABLED", generateSecret: false });
});

test("the pool takes an email as username, in any case, and verifies it before it changes", async (t) => {
	const program = await declare();
	t.like(one(program, "pool", "users").inputs, {
		usernameAttributes: ["email"],
		usernameConfiguration: { caseSensitive: false },
		autoVerifiedAttributes: ["email"],
		userAttributeUpdateSettings: { attributesRequireVerificationBeforeUpdates: ["email"] },
		mfaConfiguration: "OPTIONAL",
		lambdaConfig: {
			postConfirmation: one(program, "fn", "postConfirmation").arn,
			postAuthentication: one(program, "fn", "postAuthentication").arn,
		},
	});
});

test("the table has the keys and the indexes of the design, is encrypted and restorable to any point in time", async (t) => {
	const { inputs } = one(await declare(), "table", "users");
	const indexes = [inputs.globalSecondaryIndexes].flat();
	for (const name of ["GSI1", "GSI2"]) {
		t.deepEqual(
			indexes.find((index) => Object(index).name === name),
			{
				name,
				keySchemas: [
					{ attributeName: `${name}PK`, keyType: "HASH" },
					{ attributeName: `${name}SK`, keyType: "RANGE" },
				],
				projectionType: "ALL",
			},
		);
	}
	t.like(inputs, {
		hashKey: "PK",
		rangeKey: "SK",
		billingMode: "PAY_PER_REQUEST",
		serverSideEncryption: { enabled: true },
		pointInTimeRecovery: { enabled: true },
	});
});

test("a trigger ends within Cognito's 5 seconds, and the consumer is given more", async (t) => {
	const program = await declare();
	for (const name of triggers) t.true(Number(one(program, "fn", name).inputs.timeout) <= 5);
	t.is(one(program, "fn", "recordUser").inputs.timeout, 30);
});

test("every function runs on Node.js 24 and arm64, and logs JSON to a group of its own with retention", async (t) => {
	const program = await declare(others);
	for (const name of functions) {
		const group = one(program, "logGroup", name);
		t.is(group.inputs.retentionInDays, 14);
		t.like(one(program, "fn", name).inputs, {
			runtime: "nodejs24.x",
			architectures: ["arm64"],
			loggingConfig: { logFormat: "JSON", logGroup: group.physicalName },
		});
	}
});

test("an archive holds the callback as Pulumi wrote it, the one module that it requires, and what that loads later", async (t) => {
	const program = await declare();
	for (const name of functions) {
		const { code } = one(program, "fn", name).inputs as { code: { assets: object } };
		const files = Object.keys(await code.assets);
		const first = ["__index.js", `handlers/${name}.js`];
		t.deepEqual(
			files.filter((file) => !/^[\w-]+-[\w-]{8}\.js$/.test(file)),
			first,
		);
		t.true(files.length > first.length, "what is loaded later is a file of its own");
	}
});

test("the triggers' events go through a queue to the consumer, for six hours, and then to the dead-letter queue", async (t) => {
	const program = await declare();
	const rule = one(program, "rule", "recordUser");
	const queue = one(program, "queue", "recordUser");
	const deadLetters = one(program, "queue", "recordUser-deadLetters");
	t.deepEqual(JSON.parse(String(rule.inputs.eventPattern)), {
		source: ["user-profiles"],
		"detail-type": ["UserConfirmed", "UserAuthenticated"],
	});
	t.is(rule.inputs.eventBusName, one(program, "bus", "users").physicalName);
	for (const name of ["recordUser", "recordUser-default"]) {
		t.like(one(program, "target", name).inputs, {
			rule: one(program, "rule", name).physicalName,
			arn: queue.arn,
			retryPolicy: { maximumEventAgeInSeconds: 86400, maximumRetryAttempts: 185 },
			deadLetterConfig: { arn: deadLetters.arn },
		});
	}
	t.like(one(program, "mapping", "recordUser").inputs, {
		eventSourceArn: queue.arn,
		functionName: one(program, "fn", "recordUser").physicalName,
		functionResponseTypes: ["ReportBatchItemFailures"],
		scalingConfig: { maximumConcurrency: 2 },
	});
	const visible = Number(queue.inputs.visibilityTimeoutSeconds);
	t.true(visible >= 6 * Number(one(program, "fn", "recordUser").inputs.timeout));
	const { deadLetterTargetArn, maxReceiveCount } = JSON.parse(String(queue.inputs.redrivePolicy));
	t.is(deadLetterTargetArn, deadLetters.arn);
	t.is(maxReceiveCount * visible, 6 * 60 * 60);
	for (const { inputs } of [queue, deadLetters]) {
		t.is(inputs.messageRetentionSeconds, 14 * 24 * 60 * 60);
	}
	t.is(one(program, "archive", "users").inputs.retentionDays, 14);
});

test("CloudTrail's records of this pool's calls that were not refused go to the consumer", async (t) => {
	const program = await declare();
	const { inputs } = one(program, "rule", "recordUser-default");
	t.is(inputs.eventBusName, undefined);
	const { source, detail } = JSON.parse(String(inputs.eventPattern));
	t.deepEqual(source, ["aws.cognito-idp"]);
	t.deepEqual(detail.errorCode, [{ exists: false }]);
	const [administrators, persons, answers] = detail.$or;
	t.deepEqual(administrators.requestParameters.userPoolId, [one(program, "pool", "users").id]);
	t.true(administrators.eventName.includes("AdminDeleteUser"));
	t.true(persons.eventName.includes("DeleteUser"));
	t.deepEqual(answers.requestParameters.challengeName, ["NEW_PASSWORD_REQUIRED"]);
});

/** What an alarm watches, and from where on. */
function watched(program: Program, name: string) {
	const { inputs } = one(program, "alarm", name);
	const [sum, ...queries] = [inputs.metricQueries].flat();
	return {
		expression: Object(sum).expression,
		metrics: queries.map((query) => Object(query).metric),
		threshold: inputs.threshold,
		datapoints: [inputs.datapointsToAlarm, inputs.evaluationPeriods],
		actions: inputs.alarmActions,
	};
}

test("whatever a trigger fails on, is throttled at or is slow with raises an alarm, however late its data are", async (t) => {
	const program = await declare();
	const actions = [one(program, "topic", "alarms").arn];
	for (const name of triggers) {
		const FunctionName = one(program, "fn", name).physicalName;
		const lambda = { namespace: "AWS/Lambda", dimensions: { FunctionName }, period: 60 };
		const once = { datapoints: [1, 5], actions };
		t.like(watched(program, `${name}-errors`), {
			...once,
			threshold: 0,
			metrics: [{ metricName: `${name}-errors` }],
		});
		t.like(watched(program, `${name}-crashes`), {
			...once,
			threshold: 0,
			metrics: [{ ...lambda, metricName: "Errors" }],
		});
		t.like(one(program, "filter", `${name}-errors`).inputs, {
			logGroupName: one(program, "logGroup", name).physicalName,
			pattern: '{ $.level = "ERROR" }',
		});
		t.like(watched(program, `${name}-throttles`), {
			...once,
			threshold: 0,
			metrics: [{ ...lambda, metricName: "Throttles" }],
		});
		t.like(watched(program, `${name}-duration`), {
			...once,
			threshold: 4000,
			metrics: [{ ...lambda, metricName: "Duration", stat: "Maximum" }],
		});
	}
});

test("a consumer that is behind, that goes on failing, or whose events rest raises an alarm, and so does a reconcile that fails", async (t) => {
	const program = await declare();
	const actions = [one(program, "topic", "alarms").arn];
	t.like(watched(program, "reconcile"), {
		actions,
		threshold: 0,
		metrics: [
			{ metricName: "reconcile-errors" },
			{ metricName: "ExecutionsFailed" },
			{ metricName: "ExecutionsTimedOut" },
		],
	});
	t.like(watched(program, "publishChanges-age"), {
		actions,
		threshold: 900_000,
		metrics: [{ namespace: "AWS/Lambda", metricName: "IteratorAge" }],
	});
	const ofQueue = (name: string) => ({
		namespace: "AWS/SQS",
		dimensions: { QueueName: one(program, "queue", name).physicalName },
	});
	const visible = { metricName: "ApproximateNumberOfMessagesVisible" };
	const age = { metricName: "ApproximateAgeOfOldestMessage" };
	t.like(watched(program, "recordUser-deadLetters"), {
		actions,
		threshold: 0,
		metrics: [{ ...ofQueue("recordUser-deadLetters"), ...visible }],
	});
	t.like(watched(program, "recordUser-age"), {
		actions,
		threshold: 900,
		metrics: [{ ...ofQueue("recordUser"), ...age }],
	});
	t.like(watched(program, "recordUser-failing"), {
		actions,
		threshold: 0,
		datapoints: [3, 5],
		expression: "m0 + m1",
		metrics: [{ metricName: "recordUser-errors", period: 300 }, { metricName: "Errors" }],
	});
});

test("every alarm is mailed when it begins and when it is over", async (t) => {
	const program = await declare();
	const topic = [one(program, "topic", "alarms").arn];
	for (const { name, inputs } of all(program, "alarm")) {
		t.like(inputs, { alarmActions: topic, okActions: topic }, name);
	}
});

test("an alarm's mail names the log group that says why, or the queue in which something rests", async (t) => {
	const program = await declare();
	const mail = (name: string) => String(one(program, "alarm", name).inputs.alarmDescription);
	for (const [alarm, fn] of [
		["postConfirmation-errors", "postConfirmation"],
		["postConfirmation-crashes", "postConfirmation"],
		["postAuthentication-errors", "postAuthentication"],
		["recordUser-failing", "recordUser"],
		["publishChanges-age", "publishChanges"],
		["reconcile", "reconcile"],
	] as const) {
		t.true(mail(alarm).includes(` its log ${one(program, "logGroup", fn).physicalName}`), alarm);
	}
	for (const name of ["recordUser-deadLetters", "publishChanges-deadLetters"]) {
		t.true(mail(name).includes(` rests in ${one(program, "queue", name).physicalName};`), name);
	}
});

test("what is written is counted by outcome, and by who was told of it", async (t) => {
	const program = await declare();
	for (const name of ["postConfirmation", "postAuthentication", "recordUser"]) {
		const { pattern, metricTransformation } = one(program, "filter", `${name}-recorded`).inputs;
		for (const outcome of ["created", "updated", "linked", "removed"]) {
			t.true(String(pattern).includes(`($.message.outcome = "${outcome}")`));
		}
		t.like(metricTransformation, {
			name: "Recorded",
			dimensions: { Outcome: "$.message.outcome", By: "$.message.by" },
		});
	}
});

test("the dashboard has a row for each question, and shows every queue that something may rest in", async (t) => {
	const program = await declare();
	const { widgets } = JSON.parse(
		String(one(program, "dashboard", "users").inputs.dashboardBody),
	) as { widgets: { type: string; y: number; properties: { markdown?: string } }[] };
	const headings = widgets.filter(({ type }) => type === "text");
	t.deepEqual(
		headings.map(({ properties }) => properties.markdown),
		[
			"## Do people get in?",
			"## Do profiles follow?",
			"## Does anything rest?",
			"## Does the table keep up?",
			"## What did reconcile mend?",
		],
	);
	for (const { y } of headings) t.true(widgets.some((graph) => graph.y === y + 1));
	const shown = JSON.stringify(widgets);
	for (const { name, physicalName } of all(program, "queue")) {
		if (/deadLetters$/.test(name)) t.true(shown.includes(physicalName), name);
	}
});

test("alarmEmail mails the alarms, and without it nobody is mailed", async (t) => {
	const mailed = (program: Program) =>
		all(program, "subscription").filter(({ name }) => name === "alarms");
	t.deepEqual(mailed(await declare()), []);
	const program = await declare(others);
	t.deepEqual(mailed(program)[0]?.inputs, {
		topic: one(program, "topic", "alarms").arn,
		protocol: "email",
		endpoint: "ops@example.com",
	});
});

test("the pool's mails go through SES with emailFrom and emailIdentityArn, and through Cognito's own mailer without", async (t) => {
	const { emailFrom, emailIdentityArn } = others;
	for (const [settings, expected] of [
		[{}, { emailSendingAccount: "COGNITO_DEFAULT" }],
		[
			others,
			{
				emailSendingAccount: "DEVELOPER",
				fromEmailAddress: emailFrom,
				sourceArn: emailIdentityArn,
			},
		],
	] as const) {
		const { inputs } = one(await declare(settings), "pool", "users");
		t.deepEqual<unknown, unknown>(inputs.emailConfiguration, expected);
	}
});

test("protect, which is the default, keeps pool and table from being deleted", async (t) => {
	for (const [settings, expected] of [
		[{}, true],
		[others, false],
	] as const) {
		const program = await declare(settings);
		const pool = one(program, "pool", "users");
		const table = one(program, "table", "users");
		t.is(pool.inputs.deletionProtection, expected ? "ACTIVE" : "INACTIVE");
		t.is(table.inputs.deletionProtectionEnabled, expected);
		t.deepEqual([pool.protect, table.protect], [expected, expected]);
	}
});

test("passwordAuth lets the client sign in with a password, which is not the default", async (t) => {
	const flows = async (settings?: EvaluateOptions["settings"]) =>
		one(await declare(settings), "client", "users").inputs.explicitAuthFlows;
	const secure = ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"];
	t.deepEqual(await flows(), secure);
	t.deepEqual(await flows(others), [...secure, "ALLOW_USER_PASSWORD_AUTH"]);
});

test("the outputs are what an application needs", async (t) => {
	const program = await declare(others);
	const [pool, table, bus] = (["pool", "table", "bus"] as const).map((kind) =>
		one(program, kind, "users"),
	);
	t.like(program.outputs, {
		region: "eu-north-1",
		userPoolId: pool?.id,
		userPoolArn: pool?.arn,
		userPoolClientId: one(program, "client", "users").id,
		issuer: `https://cognito-idp.eu-north-1.amazonaws.com/${pool?.id}`,
		tableName: table?.physicalName,
		tableArn: table?.arn,
		eventBusName: bus?.physicalName,
		eventBusArn: bus?.arn,
		deadLetterQueueUrl: one(program, "queue", "recordUser-deadLetters").id,
		reconcileStateMachineArn: one(program, "stateMachine", "reconcile").arn,
	});
});

test("dashboardUrl leads to the dashboard, in its region", async (t) => {
	const program = await declare(others);
	const { dashboardName } = one(program, "dashboard", "users").inputs;
	const { host, searchParams, hash } = new URL(String(program.outputs.dashboardUrl));
	t.is(host, "eu-north-1.console.aws.amazon.com");
	t.is(searchParams.get("region"), "eu-north-1");
	t.is(hash, `#dashboards/dashboard/${dashboardName}`);
});

test("a wrong setting stops the program, in one sentence", async (t) => {
	// Pulumi prints the message of a RunError, and no stack trace.
	const message = /^The setting writeMode must be "event" or "immediate", not "fast"; set it with/;
	await t.throwsAsync(declare({ writeMode: "fast" }), { instanceOf: RunError, message });
});
