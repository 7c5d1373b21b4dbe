import { RunError } from "@pulumi/pulumi";
import test from "ava";
import { identityEntries } from "./domain/user/identity";
import { type EvaluateOptions, evaluate, type Program } from "./local/program";

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
};

const types = {
	alarm: "aws:cloudwatch/metricAlarm:MetricAlarm",
	archive: "aws:cloudwatch/eventArchive:EventArchive",
	bus: "aws:cloudwatch/eventBus:EventBus",
	client: "aws:cognito/userPoolClient:UserPoolClient",
	filter: "aws:cloudwatch/logMetricFilter:LogMetricFilter",
	fn: "aws:lambda/function:Function",
	invokeConfig: "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
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
	const deadLetters = {
		Effect: "Allow",
		Action: ["sqs:SendMessage"],
		Resource: one(program, "queue", "recordUser").arn,
	};
	return { logs, publish, write: [write, query], link, deadLetters };
}

const triggers = ["postConfirmation", "postAuthentication"];
const functions = [...triggers, "recordUser", "reconcile"];

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

test("the consumer may write, link and keep dead letters, and nothing else", async (t) => {
	const program = await declare();
	const { logs, write, link, deadLetters } = grants(program, "recordUser");
	t.deepEqual(allowed(program, "recordUser"), {
		logs: [logs],
		record: [...write, link],
		deadLetters: [deadLetters],
	});
});

test("reconcile may list, write and link, its state machine may call it, its schedule start that, and none of them anything else", async (t) => {
	const program = await declare();
	const { logs, write, link } = grants(program, "reconcile");
	const list = [
		{
			Effect: "Allow",
			Action: ["cognito-idp:ListUsers"],
			Resource: one(program, "pool", "users").arn,
		},
		{ Effect: "Allow", Action: ["dynamodb:Scan"], Resource: one(program, "table", "users").arn },
	];
	t.deepEqual(allowed(program, "reconcile"), { logs: [logs], record: [...write, link], list });
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

test("the pool alone may invoke the triggers, and the rule alone the consumer", async (t) => {
	const program = await declare();
	const action = "lambda:InvokeFunction";
	const permissionOf = (name: string) => {
		const invoked = one(program, "fn", name).physicalName;
		const found = all(program, "permission").filter(({ inputs }) => inputs.function === invoked);
		t.is(found.length, 1, name);
		return found[0]?.inputs;
	};
	for (const name of triggers) {
		t.deepEqual(permissionOf(name), {
			action,
			function: one(program, "fn", name).physicalName,
			principal: "cognito-idp.amazonaws.com",
			sourceArn: one(program, "pool", "users").arn,
		});
	}
	t.deepEqual(permissionOf("recordUser"), {
		action,
		function: one(program, "fn", "recordUser").physicalName,
		principal: "events.amazonaws.com",
		sourceArn: one(program, "rule", "recordUser").arn,
	});
});

test("the rule alone may send to the dead-letter queue from outside", async (t) => {
	const program = await declare();
	const queue = one(program, "queue", "recordUser");
	const policy = one(program, "queuePolicy", "recordUser");
	t.is(policy.inputs.queueUrl, queue.id);
	t.deepEqual(JSON.parse(String(policy.inputs.policy)).Statement, [
		{
			Effect: "Allow",
			Principal: { Service: "events.amazonaws.com" },
			Action: "sqs:SendMessage",
			Resource: queue.arn,
			Condition: { ArnEquals: { "aws:SourceArn": one(program, "rule", "recordUser").arn } },
		},
	]);
	t.is(queue.inputs.sqsManagedSseEnabled, true);
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

test("an archive holds the callback as Pulumi wrote it and the one module that it requires", async (t) => {
	const program = await declare();
	for (const name of functions) {
		const { code } = one(program, "fn", name).inputs as { code: { assets: object } };
		t.deepEqual(Object.keys(await code.assets), ["__index.js", `handlers/${name}.js`]);
	}
});

test("our events go to the consumer, and what it cannot take to the dead-letter queue", async (t) => {
	const program = await declare();
	const rule = one(program, "rule", "recordUser");
	const queue = one(program, "queue", "recordUser");
	const recordUser = one(program, "fn", "recordUser");
	t.deepEqual(JSON.parse(String(rule.inputs.eventPattern)), {
		source: ["user-profiles"],
		"detail-type": ["UserConfirmed", "UserAuthenticated"],
	});
	t.like(one(program, "target", "recordUser").inputs, {
		rule: rule.physicalName,
		arn: recordUser.arn,
		retryPolicy: { maximumEventAgeInSeconds: 86400, maximumRetryAttempts: 185 },
		deadLetterConfig: { arn: queue.arn },
	});
	t.like(one(program, "invokeConfig", "recordUser").inputs, {
		functionName: recordUser.physicalName,
		maximumRetryAttempts: 2,
		destinationConfig: { onFailure: { destination: queue.arn } },
	});
	t.is(queue.inputs.messageRetentionSeconds, 14 * 24 * 60 * 60);
	t.is(one(program, "archive", "users").inputs.retentionDays, 14);
});

test("dead letters and errors of the triggers raise an alarm, which goes to the topic", async (t) => {
	const program = await declare();
	for (const name of ["recordUser", "triggerErrors", "reconcile"]) {
		t.deepEqual(one(program, "alarm", name).inputs.alarmActions, [
			one(program, "topic", "alarms").arn,
		]);
	}
	t.like(one(program, "alarm", "recordUser").inputs, {
		metricName: "ApproximateNumberOfMessagesVisible",
		dimensions: { QueueName: one(program, "queue", "recordUser").physicalName },
	});
	for (const name of [...triggers, "reconcile"]) {
		t.like(one(program, "filter", name).inputs, {
			logGroupName: one(program, "logGroup", name).physicalName,
			pattern: '{ $.level = "ERROR" }',
		});
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
	t.like(program.outputs, {
		region: "eu-north-1",
		userPoolId: one(program, "pool", "users").id,
		userPoolClientId: one(program, "client", "users").id,
		tableName: one(program, "table", "users").physicalName,
		eventBusName: one(program, "bus", "users").physicalName,
		deadLetterQueueUrl: one(program, "queue", "recordUser").id,
		reconcileStateMachineArn: one(program, "stateMachine", "reconcile").arn,
	});
});

test("a wrong setting stops the program, in one sentence", async (t) => {
	// Pulumi prints the message of a RunError, and no stack trace.
	const message = /^The setting writeMode must be "event" or "immediate", not "fast"; set it with/;
	await t.throwsAsync(declare({ writeMode: "fast" }), { instanceOf: RunError, message });
});
