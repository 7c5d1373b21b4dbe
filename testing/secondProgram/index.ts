import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";

const config = new pulumi.Config();
let count = 0;
const role = new aws.iam.Role("functions", {
	assumeRolePolicy: aws.iam.assumeRolePolicyForPrincipal({ Service: "lambda.amazonaws.com" }),
});

function fail(): never {
	throw new pulumi.RunError("It cannot be built.");
}

function createFunction(name: string, handler: string) {
	const code = { "__index.js": new pulumi.asset.StringAsset(`exports.handler = ${handler};`) };
	const archive = pulumi.output(new pulumi.asset.AssetArchive(code));
	return new aws.lambda.Function(name, {
		code: name === config.get("unbuildable") ? archive.apply(fail) : archive,
		environment: { variables: { GREETING: "hello" } },
		handler: "__index.handler",
		loggingConfig: { logFormat: "JSON" },
		role: role.arn,
		runtime: "nodejs24.x",
		timeout: name === "slow" ? 1 : 10,
	});
}

function letInvoke(
	name: string,
	fn: aws.lambda.Function,
	principal: string,
	sourceArn: pulumi.Output<string>,
) {
	const action = "lambda:InvokeFunction";
	new aws.lambda.Permission(name, { function: fn.name, action, principal, sourceArn });
}

const trigger = createFunction(
	"trigger",
	`async (event) => {
		const { fault } = event.request.clientMetadata ?? {};
		if (fault) throw new Error(fault);
		return event;
	}`,
);
const failing = createFunction(
	"failing",
	`async ({ detail }) => { console.log("tried", detail.kind); throw new TypeError("no good"); }`,
);
createFunction("slow", `() => new Promise((resolve) => setTimeout(resolve, 60_000))`);
createFunction("dying", `async () => process.exit(3)`);
const environment = createFunction("environment", `async () => process.env`);

const deadLetters = new aws.sqs.Queue("deadLetters");

// A queue with a consumer: it does what a message says, and reports the messages that say "fail".
const work = new aws.sqs.Queue("work", {
	visibilityTimeoutSeconds: 180,
	redrivePolicy: pulumi.jsonStringify({
		deadLetterTargetArn: deadLetters.arn,
		maxReceiveCount: 3,
	}),
});
const worker = createFunction(
	"worker",
	`async ({ Records }) => {
		const bodies = Records.map(({ body }) => body);
		console.log({ time: Date.now(), bodies, Records });
		if (bodies.includes("throw")) throw new Error("no good");
		if (bodies.includes("malformed")) return { batchItemFailures: [{ itemIdentifier: "nobody" }] };
		const failed = Records.filter(({ body }) => body.includes("fail"));
		return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
	}`,
);
new aws.lambda.EventSourceMapping("work", {
	eventSourceArn: work.arn,
	functionName: worker.name,
	batchSize: 10,
	functionResponseTypes: ["ReportBatchItemFailures"],
	scalingConfig: { maximumConcurrency: 2 },
});

// A stream with a consumer, which throws at a poison, and reports what is refused.
const table = new aws.dynamodb.Table("items", {
	billingMode: "PAY_PER_REQUEST",
	hashKey: "PK",
	rangeKey: "SK",
	attributes: [
		{ name: "PK", type: "S" },
		{ name: "SK", type: "S" },
	],
	streamEnabled: true,
	streamViewType: "NEW_AND_OLD_IMAGES",
});
const follower = createFunction(
	"follower",
	`async ({ Records }) => {
		console.log({ Records });
		const holds = (name) => Records.find(({ dynamodb }) => dynamodb.NewImage?.[name]);
		if (holds("poison")) throw new Error("no good");
		const refused = holds("refused");
		return {
			batchItemFailures: refused ? [{ itemIdentifier: refused.dynamodb.SequenceNumber }] : [],
		};
	}`,
);
new aws.lambda.EventSourceMapping("items", {
	eventSourceArn: table.streamArn,
	functionName: follower.name,
	startingPosition: "TRIM_HORIZON",
	batchSize: 100,
	bisectBatchOnFunctionError: true,
	maximumRecordAgeInSeconds: 1500,
	functionResponseTypes: ["ReportBatchItemFailures"],
	filterCriteria: { filters: [{ pattern: '{"dynamodb":{"Keys":{"SK":{"S":["PROFILE"]}}}}' }] },
	destinationConfig: { onFailure: { destinationArn: deadLetters.arn } },
});

new aws.iam.RolePolicy("consumers", {
	role,
	policy: pulumi.jsonStringify({
		Version: "2012-10-17",
		Statement: [
			{
				Effect: "Allow",
				Action: ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
				Resource: work.arn,
			},
			{ Effect: "Allow", Action: ["sqs:SendMessage"], Resource: deadLetters.arn },
			{
				Effect: "Allow",
				Action: [
					"dynamodb:ListStreams",
					"dynamodb:DescribeStream",
					"dynamodb:GetShardIterator",
					"dynamodb:GetRecords",
				],
				Resource: table.streamArn,
			},
		],
	}),
});

// What it reads from is not run, so neither is it.
new aws.lambda.EventSourceMapping("elsewhere", {
	eventSourceArn: new aws.kinesis.Stream("elsewhere").arn,
	functionName: worker.name,
});

// This, and the other things that the embedded stack does not run, are left out, and nothing stops for them.
new aws.s3.Bucket("unheardOf");
const api = new aws.apigatewayv2.Api("http", { protocolType: "HTTP" });
const integration = new aws.apigatewayv2.Integration("http", {
	apiId: api.id,
	integrationType: "AWS_PROXY",
	integrationUri: environment.invokeArn,
	payloadFormatVersion: "2.0",
});
new aws.apigatewayv2.Route("http", {
	apiId: api.id,
	routeKey: "GET /",
	target: pulumi.interpolate`integrations/${integration.id}`,
});
new aws.apigatewayv2.Stage("http", { apiId: api.id, name: "$default", autoDeploy: true });
letInvoke(
	"http",
	environment,
	"apigateway.amazonaws.com",
	pulumi.interpolate`${api.executionArn}/*/*`,
);
new aws.iam.RolePolicy("functions", {
	role,
	policy: {
		Version: "2012-10-17",
		Statement: [
			{ Effect: "Allow", Action: "logs:*", Resource: "arn:aws:logs:*:*:log-group:/aws/lambda/*" },
			{
				Effect: "Allow",
				Action: "execute-api:*",
				Resource: [pulumi.interpolate`${api.executionArn}/*`, api.executionArn],
			},
			{ Effect: "Allow", Action: "execute-api:*", Resource: api.executionArn },
		],
	},
});
const bus = new aws.cloudwatch.EventBus("events");
const rule = new aws.cloudwatch.EventRule("wanted", {
	eventBusName: bus.name,
	eventPattern: config.require("pattern"),
});
letInvoke("failing", failing, "events.amazonaws.com", rule.arn);
new aws.cloudwatch.EventTarget("failing", {
	rule: rule.name,
	eventBusName: bus.name,
	arn: failing.arn,
});

const definition = config.get("definition");
if (definition !== undefined) {
	new aws.sfn.StateMachine("machine", { definition, roleArn: role.arn });
}

// What comes over two buses into one queue: events, and on the account's own bus what CloudTrail tells of Cognito.
const queued = new aws.cloudwatch.EventRule("queued", {
	eventBusName: bus.name,
	eventPattern: JSON.stringify({ source: ["queued"] }),
});
const trail = new aws.cloudwatch.EventRule("trail", {
	eventPattern: JSON.stringify({ source: ["aws.cognito-idp"] }),
});
const heard = new aws.sqs.Queue("heard");
for (const [name, queue] of Object.entries({ heard, deadLetters })) {
	new aws.sqs.QueuePolicy(name, {
		queueUrl: queue.url,
		policy: pulumi.jsonStringify({
			Version: "2012-10-17",
			Statement: [
				{
					Effect: "Allow",
					Principal: { Service: "events.amazonaws.com" },
					Action: "sqs:SendMessage",
					Resource: queue.arn,
					Condition: { ArnEquals: { "aws:SourceArn": [queued.arn, trail.arn] } },
				},
			],
		}),
	});
}
new aws.cloudwatch.EventTarget("queued", {
	rule: queued.name,
	eventBusName: bus.name,
	arn: heard.arn,
	deadLetterConfig: { arn: deadLetters.arn },
});
new aws.cloudwatch.EventTarget("trail", { rule: trail.name, arn: heard.arn });

const pool = new aws.cognito.UserPool("people", {
	usernameAttributes: ["email"],
	usernameConfiguration: { caseSensitive: false },
	autoVerifiedAttributes: ["email"],
	userAttributeUpdateSettings: { attributesRequireVerificationBeforeUpdates: ["email"] },
	schemas: [{ name: "plan", attributeDataType: "String", mutable: true }],
	lambdaConfig: { postConfirmation: trigger.arn, postAuthentication: trigger.arn },
});
letInvoke("trigger", trigger, "cognito-idp.amazonaws.com", pool.arn);
const client = new aws.cognito.UserPoolClient("app", {
	userPoolId: pool.id,
	explicitAuthFlows: ["ALLOW_USER_PASSWORD_AUTH"],
	readAttributes: ["email", "email_verified"],
	writeAttributes: ["email", "name"],
});

const nobody = new aws.iam.Role("nobody", {
	assumeRolePolicy: aws.iam.assumeRolePolicyForPrincipal({ Service: "ec2.amazonaws.com" }),
	managedPolicyArns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
});
new aws.iam.RolePolicyAttachment("nobody", {
	role: nobody,
	policyArn: "arn:aws:iam::aws:policy/ReadOnlyAccess",
});
const topic = new aws.sns.Topic("analytics");
new aws.cloudwatch.EventTarget("analytics", {
	rule: rule.name,
	eventBusName: bus.name,
	arn: topic.arn,
});

if (config.get("twice") !== undefined) new aws.s3.Bucket("unheardOf");
// Of two parents, of one type or of two.
for (const parentType of (config.get("parents") ?? "").split(",").filter(Boolean)) {
	const parent = new pulumi.ComponentResource(parentType, `parent${++count}`);
	new aws.sqs.Queue("child", {}, { parent });
}

const lateFailure = config.get("lateFailure");
if (lateFailure !== undefined) {
	bus.arn.apply(() => {
		throw new pulumi.RunError(lateFailure);
	});
}

export const eventBusName = bus.name;
export const deadLetterQueueUrl = deadLetters.url;
export const workQueueUrl = work.url;
export const heardQueueUrl = heard.url;
export const tableName = table.name;
export const userPoolId = pool.id;
export const userPoolClientId = client.id;
export const apiUrl = api.apiEndpoint;
export const apiPath = pulumi.interpolate`${api.apiEndpoint}/`;
export const names = { pool: pool.name, bus: bus.name };
