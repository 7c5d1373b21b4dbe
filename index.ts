import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { tableDefinition } from "./domain/table";
import { eventSource, eventTypes } from "./domain/user/events";
import {
	type AttributeType,
	type IdentityAttribute,
	identityAttributes,
	linkAttribute,
} from "./domain/user/identity";
import { BundledFunction } from "./infra/bundledFunction";
import { readSettings } from "./infra/settings";
import { tableKeys } from "./infra/tableKeys";

const settings = readSettings();
const { logRetentionDays, writeMode } = settings;

/** For dead letters and archived events: the longest time that SQS keeps a message. */
const retentionDays = 14;

// The single table: a user's profile, found by sub in the table and by email in the index.
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

// Events rest here when they could not be consumed, until somebody has looked, and reconcile has made up for them.
const deadLetterQueue = new aws.sqs.Queue("deadLetters", {
	messageRetentionSeconds: retentionDays * 24 * 60 * 60,
	sqsManagedSseEnabled: true,
});

// The bus between the triggers and whoever wants to know of users: our own consumer, and any other subscriber.
const bus = new aws.cloudwatch.EventBus("users");

// The archive lets events be replayed to a subscriber that was added late or was broken.
new aws.cloudwatch.EventArchive("users", { eventSourceArn: bus.arn, retentionDays });

const publishEvents: aws.iam.PolicyStatement = {
	Effect: "Allow",
	Action: ["events:PutEvents"],
	Resource: bus.arn,
};
const writeProfiles: aws.iam.PolicyStatement = {
	Effect: "Allow",
	Action: ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
	Resource: table.arn,
};
const keepDeadLetters: aws.iam.PolicyStatement = {
	Effect: "Allow",
	Action: ["sqs:SendMessage"],
	Resource: deadLetterQueue.arn,
};

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
	if (writeMode === "immediate") fn.allow("write", [writeProfiles]);
}

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
		schemas: poolSchemas(),
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
	readAttributes: [...attributesOf("read"), ...attributesOf("readWrite"), linkAttribute],
	writeAttributes: attributesOf("readWrite"),
});

// The consumer: writes the profile that an event tells of, and links the account to it.
const recordUser = new BundledFunction("recordUser", {
	callbackFactory: () => {
		const { handler } = require("./handlers/recordUser") as typeof import("./handlers/recordUser");
		return handler;
	},
	timeout: 30,
	environment: { TABLE_NAME: table.name, USER_POOL_ID: userPool.id },
	logRetentionDays,
});
recordUser.allow("record", [writeProfiles, linkAccounts, keepDeadLetters]);

// Lambda tries a failed event three times; then it goes to the dead-letter queue.
new aws.lambda.FunctionEventInvokeConfig("recordUser", {
	functionName: recordUser.name,
	maximumRetryAttempts: 2,
	maximumEventAgeInSeconds: 6 * 60 * 60,
	destinationConfig: { onFailure: { destination: deadLetterQueue.arn } },
});

// Our events, and no others, go to the consumer; what cannot be delivered within a day goes to the dead-letter queue too.
const rule = new aws.cloudwatch.EventRule("recordUser", {
	eventBusName: bus.name,
	eventPattern: JSON.stringify({ source: [eventSource], "detail-type": eventTypes }),
});
recordUser.letInvoke("events.amazonaws.com", rule.arn);
new aws.sqs.QueuePolicy("deadLetters", {
	queueUrl: deadLetterQueue.url,
	policy: pulumi.jsonStringify({
		Version: "2012-10-17",
		Statement: [
			{
				Effect: "Allow",
				Principal: { Service: "events.amazonaws.com" },
				Action: "sqs:SendMessage",
				Resource: deadLetterQueue.arn,
				Condition: { ArnEquals: { "aws:SourceArn": rule.arn } },
			},
		],
	}),
});
new aws.cloudwatch.EventTarget("recordUser", {
	rule: rule.name,
	eventBusName: bus.name,
	arn: recordUser.arn,
	retryPolicy: { maximumEventAgeInSeconds: 24 * 60 * 60, maximumRetryAttempts: 185 },
	deadLetterConfig: { arn: deadLetterQueue.arn },
});

// Alarms: an event rests in the dead-letter queue, or a trigger has failed.
const alarms = new aws.sns.Topic("alarms");
if (settings.alarmEmail !== undefined) {
	new aws.sns.TopicSubscription("alarms", {
		topic: alarms.arn,
		protocol: "email",
		endpoint: settings.alarmEmail,
	});
}
const alarm = {
	comparisonOperator: "GreaterThanThreshold",
	threshold: 0,
	evaluationPeriods: 1,
	treatMissingData: "notBreaching",
	alarmActions: [alarms.arn],
};
new aws.cloudwatch.MetricAlarm("deadLetters", {
	...alarm,
	alarmDescription: "Events that could not be consumed rest in the dead-letter queue.",
	namespace: "AWS/SQS",
	metricName: "ApproximateNumberOfMessagesVisible",
	dimensions: { QueueName: deadLetterQueue.name },
	statistic: "Maximum",
	period: 60,
});
// The triggers fail open, so Lambda sees no error in most of what fails: what they log as one is counted as well.
const errorMetric = {
	namespace: `${pulumi.getProject()}/${pulumi.getStack()}`,
	name: "TriggerErrors",
};
new aws.cloudwatch.LogMetricFilter("postConfirmation", errorsLoggedBy(postConfirmation));
new aws.cloudwatch.LogMetricFilter("postAuthentication", errorsLoggedBy(postAuthentication));
new aws.cloudwatch.MetricAlarm("triggerErrors", {
	...alarm,
	alarmDescription: "A trigger could not record or publish a user; see the logs of the triggers.",
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

export const region = aws.getRegionOutput().region;
export const userPoolId = userPool.id;
export const userPoolClientId = client.id;
export const tableName = table.name;
export const eventBusName = bus.name;
export const deadLetterQueueUrl = deadLetterQueue.url;

/**
 * The attributes that a pool must be told of: the link, the registry's `custom:` ones, and that an email is required and how
 * long it may be. The standard ones are in every pool, and a pool that exists takes no others than `custom:` ones:
 * https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AddCustomAttributes.html
 */
function poolSchemas(): aws.types.input.cognito.UserPoolSchema[] {
	const link = { cognito: linkAttribute, type: "string", maxLength: 36 } as const;
	return [link, ...Object.values<IdentityAttribute>(identityAttributes)]
		.filter(({ cognito }) => cognito === "email" || cognito.startsWith("custom:"))
		.map((attribute) => ({
			name: attribute.cognito.replace("custom:", ""),
			mutable: true,
			required: attribute.cognito === "email",
			...typeAndConstraints(attribute),
		}));
}

function typeAndConstraints(attribute: AttributeType) {
	switch (attribute.type) {
		case "string":
			return {
				attributeDataType: "String",
				stringAttributeConstraints: { minLength: "0", maxLength: String(attribute.maxLength) },
			};
		case "number":
			return {
				attributeDataType: "Number",
				numberAttributeConstraints: {
					minValue: String(attribute.min),
					maxValue: String(attribute.max),
				},
			};
		case "boolean":
			return { attributeDataType: "Boolean" };
	}
}

/** The Cognito names of the attributes to which the registry gives the app client this access. */
function attributesOf(access: "read" | "readWrite"): string[] {
	return Object.values<IdentityAttribute>(identityAttributes)
		.filter(({ client }) => client === access)
		.map(({ cognito }) => cognito);
}

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
