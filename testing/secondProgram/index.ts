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
			{ Effect: "Allow", Action: ["sqs:Send*"], Resource: deadLetters.arn },
			{
				Effect: "Allow",
				Action: "execute-api:*",
				Resource: [pulumi.interpolate`${api.executionArn}/*`, api.executionArn],
			},
			{ Effect: "Allow", Action: "execute-api:*", Resource: api.executionArn },
		],
	},
});
new aws.lambda.FunctionEventInvokeConfig("failing", {
	functionName: failing.name,
	maximumRetryAttempts: 1,
	destinationConfig: { onFailure: { destination: deadLetters.arn } },
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

const pool = new aws.cognito.UserPool("people", {
	usernameAttributes: ["email"],
	usernameConfiguration: { caseSensitive: false },
	autoVerifiedAttributes: ["email"],
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
export const userPoolId = pool.id;
export const userPoolClientId = client.id;
export const apiUrl = api.apiEndpoint;
export const apiPath = pulumi.interpolate`${api.apiEndpoint}/`;
export const names = { pool: pool.name, bus: bus.name };
