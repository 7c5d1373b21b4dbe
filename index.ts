import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { tableDefinition } from "./domain/table";
import { problemWithAttributes } from "./domain/user/checkAttributes";
import { eventSource, eventTypes } from "./domain/user/events";
import { identityEntries } from "./domain/user/identity";
import { linkAttribute } from "./domain/user/registry";
import { Alarm } from "./infra/alarm";
import { BundledFunction } from "./infra/bundledFunction";
import { attributesFor, type PoolAttribute, poolSchemas } from "./infra/poolSchema";
import { readSettings } from "./infra/settings";
import { Subscriber } from "./infra/subscriber";
import { tableKeys } from "./infra/tableKeys";
import { Workflow } from "./infra/workflow";

const settings = readSettings();
const { logRetentionDays, writeMode } = settings;

const problem = problemWithAttributes();
if (problem) throw new pulumi.RunError(problem);

/** For dead letters and archived events: the longest time that SQS keeps a message. */
const retentionDays = 14;

// The single table: a user's profile, found by sub in the table, by email in one index and by userId in the other.
const table = new aws.dynamodb.Table(
	"users",
	{
		billingMode: "PAY_PER_REQUEST",
		...tableKeys(tableDefinition),
		serverSideEncryption: { enabled: true },
		pointInTimeRecovery: { enabled: true },
		deletionProtectionEnabled: settings.protect,
	},
	{ protect: settings.protect },
);

// Where every alarm goes, and from there, if somebody is to be mailed, into their mail.
const alarms = new aws.sns.Topic("alarms");
if (settings.alarmEmail !== "") {
	new aws.sns.TopicSubscription("alarms", {
		topic: alarms.arn,
		protocol: "email",
		endpoint: settings.alarmEmail,
	});
}

// The bus between the triggers and whoever wants to know of users: our own consumer, and any other subscriber.
const bus = new aws.cloudwatch.EventBus("users");

// The archive lets events be replayed to a subscriber that was added late or was broken.
new aws.cloudwatch.EventArchive("users", { eventSourceArn: bus.arn, retentionDays });

const publishEvents: aws.iam.PolicyStatement = {
	Effect: "Allow",
	Action: ["events:PutEvents"],
	Resource: bus.arn,
};
const writeProfiles: aws.iam.PolicyStatement[] = [
	{
		Effect: "Allow",
		Action: ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
		Resource: table.arn,
	},
	// To see that nobody else has the userId under which a lost profile comes back.
	{
		Effect: "Allow",
		Action: ["dynamodb:Query"],
		Resource: pulumi.interpolate`${table.arn}/index/GSI2`,
	},
];

/** Both triggers run within the 5 seconds that Cognito waits: https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html */
const trigger = {
	timeout: 5,
	environment: {
		EVENT_BUS_NAME: bus.name,
		WRITE_MODE: writeMode,
		...(writeMode === "immediate" && { TABLE_NAME: table.name }),
	},
	logRetentionDays,
};

// A sign-up was confirmed: tell the bus, and in immediate mode write the profile first.
const postConfirmation = new BundledFunction("postConfirmation", {
	callbackFactory: () => {
		const { handler } =
			require("./handlers/postConfirmation") as typeof import("./handlers/postConfirmation");
		return handler;
	},
	...trigger,
});

// Somebody signed in: tell the bus, as the account may be new to us, or have changed.
const postAuthentication = new BundledFunction("postAuthentication", {
	callbackFactory: () => {
		const { handler } =
			require("./handlers/postAuthentication") as typeof import("./handlers/postAuthentication");
		return handler;
	},
	...trigger,
});

const triggers = [postConfirmation, postAuthentication];
for (const fn of triggers) {
	fn.allow("publish", [publishEvents]);
	if (writeMode === "immediate") fn.allow("write", writeProfiles);
}

const link: PoolAttribute = {
	cognito: linkAttribute,
	type: "string",
	maxLength: 36,
	client: "read",
};
const attributes: PoolAttribute[] = [link, ...identityEntries.map(([, attribute]) => attribute)];

// The user pool: email is the username, in whatever case it is typed, and is verified before it changes.
const userPool = new aws.cognito.UserPool(
	"users",
	{
		usernameAttributes: ["email"],
		usernameConfiguration: { caseSensitive: false },
		autoVerifiedAttributes: ["email"],
		userAttributeUpdateSettings: { attributesRequireVerificationBeforeUpdates: ["email"] },
		accountRecoverySetting: { recoveryMechanisms: [{ name: "verified_email", priority: 1 }] },
		mfaConfiguration: "OPTIONAL",
		softwareTokenMfaConfiguration: { enabled: true },
		schemas: poolSchemas(attributes),
		lambdaConfig: {
			postConfirmation: postConfirmation.arn,
			postAuthentication: postAuthentication.arn,
		},
		deletionProtection: settings.protect ? "ACTIVE" : "INACTIVE",
	},
	{ protect: settings.protect },
);

const linkAccounts: aws.iam.PolicyStatement = {
	Effect: "Allow",
	Action: ["cognito-idp:AdminGetUser", "cognito-idp:AdminUpdateUserAttributes"],
	Resource: userPool.arn,
};

for (const fn of triggers) {
	fn.letInvoke("cognito-idp.amazonaws.com", userPool.arn);
	// After the pool, which names the function.
	if (writeMode === "immediate") fn.allow("link", [linkAccounts]);
}

// Whoever signs in may read what the registry lets them, and the link; may write only what they say of themselves, never the link.
const client = new aws.cognito.UserPoolClient("users", {
	userPoolId: userPool.id,
	generateSecret: false,
	explicitAuthFlows: [
		"ALLOW_USER_SRP_AUTH",
		"ALLOW_REFRESH_TOKEN_AUTH",
		...(settings.passwordAuth ? ["ALLOW_USER_PASSWORD_AUTH"] : []),
	],
	preventUserExistenceErrors: "ENABLED",
	enableTokenRevocation: true,
	readAttributes: attributesFor(attributes, "read", "readWrite"),
	writeAttributes: attributesFor(attributes, "readWrite"),
});

/** What every subscriber of our events has in common. */
const subscriber = {
	bus,
	source: eventSource,
	alarms,
	logRetentionDays,
	deadLetterRetentionDays: retentionDays,
};

// The first subscriber: writes the profile that an event tells of, and links the account to it.
const recordUser = new Subscriber("recordUser", {
	...subscriber,
	detailTypes: eventTypes,
	callbackFactory: () => {
		const { handler } = require("./handlers/recordUser") as typeof import("./handlers/recordUser");
		return handler;
	},
	timeout: 30,
	environment: { TABLE_NAME: table.name, USER_POOL_ID: userPool.id },
});
recordUser.allow("record", [...writeProfiles, linkAccounts]);

// What nothing else has seen: reconcile makes the profiles match the accounts, some pages at a time, until all are done.
const reconcile = new BundledFunction("reconcile", {
	callbackFactory: () => {
		const { handler } = require("./handlers/reconcile") as typeof import("./handlers/reconcile");
		return handler;
	},
	timeout: 300,
	environment: { TABLE_NAME: table.name, USER_POOL_ID: userPool.id },
	logRetentionDays,
});
reconcile.allow("record", [...writeProfiles, linkAccounts]);
reconcile.allow("list", [
	{ Effect: "Allow", Action: ["cognito-idp:ListUsers"], Resource: userPool.arn },
	{ Effect: "Allow", Action: ["dynamodb:Scan"], Resource: table.arn },
]);
const reconciliation = new Workflow("reconcile", {
	function: reconcile,
	beginAgainOn: "PageExpired",
	schedule: settings.reconcileSchedule,
	input: { options: { prune: settings.reconcilePrune } },
});

// The triggers fail open, so Lambda sees no error in most of what fails: what they log as one is counted as well.
const errorMetric = {
	namespace: `${pulumi.getProject()}/${pulumi.getStack()}`,
	name: "TriggerErrors",
};
new aws.cloudwatch.LogMetricFilter("postConfirmation", errorsLoggedBy(postConfirmation));
new aws.cloudwatch.LogMetricFilter("postAuthentication", errorsLoggedBy(postAuthentication));
new Alarm("triggerErrors", {
	topic: alarms,
	description: "A trigger could not record or publish a user; see the logs of the triggers.",
	metricQueries: [
		{
			id: "errors",
			expression: "FILL(logged, 0) + FILL(confirmation, 0) + FILL(authentication, 0)",
			returnData: true,
		},
		sumOf("logged", errorMetric.namespace, errorMetric.name),
		sumOf("confirmation", "AWS/Lambda", "Errors", { FunctionName: postConfirmation.name }),
		sumOf("authentication", "AWS/Lambda", "Errors", { FunctionName: postAuthentication.name }),
	],
});

// A run that has failed for six hours, or what one could not do; one that somebody has aborted is no failure.
const reconcileErrors = { namespace: errorMetric.namespace, name: "ReconcileErrors" };
new aws.cloudwatch.LogMetricFilter("reconcile", {
	logGroupName: reconcile.logGroup.name,
	pattern: '{ $.level = "ERROR" }',
	metricTransformation: { ...reconcileErrors, value: "1" },
});
new Alarm("reconcile", {
	topic: alarms,
	description: "Reconcile could not do all; see its log, and the executions of its state machine.",
	metricQueries: [
		{ id: "errors", expression: "SUM(METRICS())", returnData: true },
		sumOf("logged", reconcileErrors.namespace, reconcileErrors.name),
		...["ExecutionsFailed", "ExecutionsTimedOut"].map((metric) =>
			sumOf(metric.replace("E", "e"), "AWS/States", metric, {
				StateMachineArn: reconciliation.stateMachine.arn,
			}),
		),
	],
});

export const region = aws.getRegionOutput().region;
export const userPoolId = userPool.id;
export const userPoolClientId = client.id;
export const tableName = table.name;
export const eventBusName = bus.name;
export const deadLetterQueueUrl = recordUser.deadLetters.url;
export const reconcileStateMachineArn = reconciliation.stateMachine.arn;

function errorsLoggedBy(fn: { logGroup: aws.cloudwatch.LogGroup }) {
	return {
		logGroupName: fn.logGroup.name,
		pattern: '{ $.level = "ERROR" }',
		metricTransformation: { ...errorMetric, value: "1" },
	};
}

function sumOf(
	id: string,
	namespace: string,
	metricName: string,
	dimensions?: Record<string, pulumi.Input<string>>,
) {
	return {
		id,
		metric: { namespace, metricName, stat: "Sum", period: 60, ...(dimensions && { dimensions }) },
	};
}
