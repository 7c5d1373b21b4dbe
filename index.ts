import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { trailPattern } from "./adapters/cloudTrail";
import { tableDefinition } from "./domain/table";
import { problemWithAttributes } from "./domain/user/checkAttributes";
import { eventSource, eventTypes } from "./domain/user/events";
import { identityEntries } from "./domain/user/identity";
import { profileSortKey } from "./domain/user/keys";
import { linkAttribute } from "./domain/user/registry";
import { allow } from "./infra/allow";
import { BundledFunction } from "./infra/bundledFunction";
import { Dashboard } from "./infra/dashboard";
import { emailConfiguration } from "./infra/emailConfiguration";
import { attributesFor, type PoolAttribute, poolSchemas } from "./infra/poolSchema";
import { questions } from "./infra/questions";
import { countRecorded } from "./infra/recorded";
import { readSettings } from "./infra/settings";
import { StreamConsumer } from "./infra/streamConsumer";
import { Subscriber } from "./infra/subscriber";
import { tableKeys } from "./infra/tableKeys";
import { Trigger } from "./infra/trigger";
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
		streamEnabled: true,
		streamViewType: "NEW_AND_OLD_IMAGES",
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

const publishEvents = allow(bus.arn, "events:PutEvents");
const writeProfiles = [
	allow(
		table.arn,
		"dynamodb:GetItem",
		"dynamodb:PutItem",
		"dynamodb:UpdateItem",
		"dynamodb:DeleteItem",
	),
	// To see that nobody else has the userId under which a lost profile comes back.
	allow(pulumi.interpolate`${table.arn}/index/GSI2`, "dynamodb:Query"),
];

/** What both triggers have in common. */
const trigger = {
	alarms,
	logRetentionDays,
	environment: {
		EVENT_BUS_NAME: bus.name,
		WRITE_MODE: writeMode,
		...(writeMode === "immediate" && { TABLE_NAME: table.name }),
	},
};

// A sign-up was confirmed: tell the bus, and in immediate mode write the profile first.
const postConfirmation = new Trigger("postConfirmation", {
	callbackFactory: () =>
		(require("./handlers/postConfirmation") as typeof import("./handlers/postConfirmation"))
			.handler,
	...trigger,
});

// Somebody signed in: tell the bus, as the account may be new to us, or have changed.
const postAuthentication = new Trigger("postAuthentication", {
	callbackFactory: () =>
		(require("./handlers/postAuthentication") as typeof import("./handlers/postAuthentication"))
			.handler,
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
		emailConfiguration: emailConfiguration(settings),
		lambdaConfig: {
			postConfirmation: postConfirmation.arn,
			postAuthentication: postAuthentication.arn,
		},
		deletionProtection: settings.protect ? "ACTIVE" : "INACTIVE",
	},
	{ protect: settings.protect },
);

const linkAccounts = allow(
	userPool.arn,
	"cognito-idp:AdminGetUser",
	"cognito-idp:AdminUpdateUserAttributes",
);
const findAccounts = allow(userPool.arn, "cognito-idp:ListUsers");

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

/** What every consumer, and what every subscriber of our events, has in common. */
const consumer = { alarms, logRetentionDays, deadLetterRetentionDays: retentionDays };
const subscriber = { ...consumer, bus, source: eventSource };

// The first subscriber: writes the profile that an event tells of, and links the account to it. Where the account has a trail, it is told
// of changes and deletions too. Two batches at once spare Cognito's quotas.
const recordUser = new Subscriber("recordUser", {
	...subscriber,
	detailTypes: eventTypes,
	defaultBusPattern: trailPattern(userPool.id),
	callbackFactory: () =>
		(require("./handlers/recordUser") as typeof import("./handlers/recordUser")).handler,
	timeout: 30,
	maximumConcurrency: 2,
	environment: { TABLE_NAME: table.name, USER_POOL_ID: userPool.id },
});
recordUser.allow("record", [...writeProfiles, linkAccounts, findAccounts]);

// Tells the bus of every change of a profile, whoever made it.
const publishChanges = new StreamConsumer("publishChanges", {
	...consumer,
	table,
	filter: { dynamodb: { Keys: { SK: { S: [profileSortKey] } } } },
	callbackFactory: () =>
		(require("./handlers/publishChanges") as typeof import("./handlers/publishChanges")).handler,
	timeout: 60,
	environment: { EVENT_BUS_NAME: bus.name },
});
publishChanges.allow("publish", [publishEvents]);

// What nobody has told of: reconcile makes the profiles match the accounts, some pages at a time, until all are done.
const reconcile = new BundledFunction("reconcile", {
	logRetentionDays,
	callbackFactory: () =>
		(require("./handlers/reconcile") as typeof import("./handlers/reconcile")).handler,
	timeout: 300,
	environment: { TABLE_NAME: table.name, USER_POOL_ID: userPool.id },
});
reconcile.allow("record", [
	...writeProfiles,
	linkAccounts,
	findAccounts,
	allow(table.arn, "dynamodb:Scan"),
]);
const workflow = new Workflow("reconcile", {
	alarms,
	function: reconcile,
	beginAgainOn: "PageExpired",
	schedule: settings.reconcileSchedule,
	input: { options: { prune: settings.reconcilePrune } },
});

for (const fn of [...triggers, recordUser, reconcile]) countRecorded(fn);

export const region = aws.getRegionOutput().region;

// One row for each question that whoever looks has.
const dashboard = new Dashboard("users", region, () =>
	questions({ userPool, client, triggers, recordUser, table, publishChanges, workflow }),
);

export const userPoolId = userPool.id;
export const userPoolArn = userPool.arn;
export const userPoolClientId = client.id;
export const issuer = pulumi.interpolate`https://${userPool.endpoint}`;
export const tableName = table.name;
export const tableArn = table.arn;
export const eventBusName = bus.name;
export const eventBusArn = bus.arn;
export const deadLetterQueueUrl = recordUser.deadLetters.url;
export const dashboardUrl = dashboard.url;
export const reconcileStateMachineArn = workflow.stateMachine.arn;
