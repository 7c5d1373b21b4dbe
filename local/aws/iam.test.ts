import { randomUUID } from "node:crypto";
import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { RunError } from "@pulumi/pulumi/errors";
import test from "ava";
import { createUsers, openTable } from "../../domain";
import { eventSource, eventTypes } from "../../domain/user/events";
import { parseAccount } from "../../domain/user/identity";
import { deadLetters } from "../../testing/deadLetters";
import { following } from "../../testing/following";
import { People } from "../../testing/people";
import { tried, withoutTrail } from "../../testing/programs";
import { publishEvents } from "../../testing/publishEvents";
import { testProgram } from "../../testing/testStack";
import type { Call } from "../endpoint";
import { declared, type Program, type Resource } from "../program";
import { type Stack, startStack } from "../stack";
import { createPermissions } from "./iam";

const writeModes = ["event", "immediate"] as const;
type WriteMode = (typeof writeModes)[number];

const ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy";
const QUEUE_POLICY = "aws:sqs/queuePolicy:QueuePolicy";
const LAMBDA_PERMISSION = "aws:lambda/permission:Permission";

/** The functions that these tests use; an adopter's own, with their policies, are left alone. What reconcile may is tested with it. */
const triggers = ["postConfirmation", "postAuthentication"];
const functions = [...triggers, "recordUser", "publishChanges"];

/** A program as it would be if one of its resources had other inputs. */
function withInputs(
	program: Program,
	{ type, name }: Pick<Resource, "type" | "name">,
	inputs: object,
): Program {
	const changed = (each: Resource) =>
		each.type === type && each.name === name
			? { ...each, inputs: { ...each.inputs, ...inputs } }
			: each;
	return { ...program, resources: program.resources.map(changed) };
}

/** The project's own program, where no trail does the work of a function, and little is tried again, so that what fails does so soon. */
async function impatientProgram(writeMode: WriteMode): Promise<Program> {
	let program = tried(2, withoutTrail(await testProgram({ writeMode })));
	for (const each of program.resources) {
		if (/EventTarget$/.test(each.type)) {
			program = withInputs(program, each, { retryPolicy: { maximumRetryAttempts: 0 } });
		}
		if (/EventSourceMapping$/.test(each.type) && each.inputs.startingPosition !== undefined) {
			program = withInputs(program, each, { maximumRecordAgeInSeconds: 60 });
		}
	}
	return program;
}

/** The program without each of the actions that it grants, by what is missing. */
function withoutEach(program: Program): Map<string, Program> {
	const lacking = new Map<string, Program>();
	for (const policy of declared(program, ROLE_POLICY)) {
		// A policy is named <function>-<purpose>.
		if (!functions.some((name) => policy.name.startsWith(`${name}-`))) continue;
		const { Statement, ...rest } = JSON.parse(String(policy.inputs.policy));
		for (const statement of Statement) {
			for (const action of [statement.Action].flat()) {
				const left = [statement.Action].flat().filter((each) => each !== action);
				const others = Statement.filter((each: unknown) => each !== statement);
				const Statements = left.length > 0 ? [...others, { ...statement, Action: left }] : others;
				const changed = JSON.stringify({ ...rest, Statement: Statements });
				lacking.set(`${policy.name} ${action}`, withInputs(program, policy, { policy: changed }));
			}
		}
	}
	for (const { type, name } of program.resources) {
		// A permission is named <function>-<service>, and a queue's policy as its function.
		if (![LAMBDA_PERMISSION, QUEUE_POLICY].includes(type)) continue;
		if (!functions.some((fn) => name === fn || name.startsWith(`${fn}-`))) continue;
		const resources = program.resources.filter((each) => each.type !== type || each.name !== name);
		lacking.set(`${type} ${name}`, { ...program, resources });
	}
	return lacking;
}

/** Does all that the functions are there for, until something does not work; answers what. */
async function firstFailure(
	stack: Stack,
	writeMode: WriteMode,
	used: readonly string[] = functions,
): Promise<string | undefined> {
	try {
		await useEverything(stack, writeMode, used);
		return undefined;
	} catch (error) {
		return Object(error).message;
	} finally {
		await stack.settled();
	}
}

async function useEverything(
	stack: Stack,
	writeMode: WriteMode,
	used: readonly string[],
): Promise<void> {
	const people = new People(stack);
	const tableName = String(stack.outputs.tableName);
	const client = new DynamoDBClient(stack.clientOptions);
	const users = createUsers(openTable({ tableName, client }));
	// What another use of the stack has left may come yet, and is of other people.
	const own = randomUUID();
	const emailOf = (name: string) => `${name}.${own}@example.com`;
	const queue = (name: string) =>
		declared(stack.program, "aws:sqs/queue:Queue").find((each) => each.name === name);
	/** How many dead letters of a function hold a text; all of them, unless given. */
	const rest = async (name: string, about = "") =>
		(await deadLetters(stack, queue(`${name}-deadLetters`)?.id)).filter((letter) =>
			JSON.stringify(letter).includes(about),
		).length;
	const countFollowing = (type: string) => {
		const events = following(stack.events);
		return () => events().filter((event) => event["detail-type"] === type).length;
	};
	async function check(what: string, works: () => Promise<boolean>): Promise<void> {
		if (!(await works().catch(() => false))) throw new Error(`It does not hold that ${what}.`);
	}

	await check("a person signs up and in", async () => {
		const confirmed = countFollowing("UserConfirmed");
		const signedIn = countFollowing("UserAuthenticated");
		const sub = await people.signUp(emailOf("ada"));
		await people.confirm(emailOf("ada"));
		await people.signIn(emailOf("ada"));
		await stack.settled();
		// On a busy machine, each may be told of twice.
		const all = confirmed() > 0 && signedIn() > 0;
		return all && (await rest("recordUser", sub)) === 0;
	});

	// So that no function does the work of another, no event comes anywhere.
	const deliver = stack.fault({
		service: "sqs",
		operation: "SendMessage",
		caller: "events",
		kind: "throttle",
	});
	try {
		for (const name of used.filter((each) => each !== "publishChanges")) {
			await useAlone(name);
		}
	} finally {
		await stack.settled();
		deliver();
	}
	if (used.includes("recordUser")) await consume();
	if (used.includes("publishChanges")) await tellOfChanges();

	/** A trigger or the consumer, invoked for accounts of its own. */
	async function useAlone(name: string): Promise<void> {
		const email = emailOf(name);
		const invoke = (attributes: Attributes) => invokeFunction(stack, name, attributes);
		const isRecorded = async () => {
			const account = await people.attributes(email);
			await invoke(account);
			const { "custom:userId": userId } = await people.attributes(email);
			return (await users.findByEmail(email)).match(
				(user) => user.userId === userId && user.name === account.name,
				() => false,
			);
		};
		await people.admit(email);
		if (name === "recordUser" || writeMode === "immediate") {
			await check(`${name} records a new account`, isRecorded);
			await people.change(email, { name: "Ada" });
			await check(`${name} records a changed account`, isRecorded);
			await check(`${name} brings back a lost profile under its userId`, async () => {
				const { sub = "", "custom:userId": userId } = await people.attributes(email);
				await users.remove(sub);
				await invoke(await people.attributes(email));
				return (await users.findBySub(sub)).map((user) => user.userId === userId).unwrapOr(false);
			});
			await check(`${name} removes the profile of an account that is gone`, async () => {
				const gone = `gone.${email}`;
				await people.admit(gone);
				const account = await people.attributes(gone);
				await invoke(account);
				const { sub = "" } = account;
				const had = await users.findBySub(sub);
				await people.delete(gone);
				await invoke(account);
				return had.isOk() && (await users.findBySub(sub)).isErr();
			});
		}
		if (triggers.includes(name)) {
			await check(`${name} publishes`, async () => {
				const published = following(stack.events);
				await invoke(await people.attributes(email));
				return published().length > 0;
			});
		}
		await check(`${name} logs`, async () => {
			const lines = following(() => stack.logs(name));
			await invoke({ sub: "without an email" });
			return lines().some((line) => line.includes("Invalid"));
		});
	}

	async function publish(detailType: string, detail: object): Promise<void> {
		await publishEvents(stack, { source: eventSource, detailType, detail: JSON.stringify(detail) });
	}

	/** The consumer, with its queues. */
	async function consume(): Promise<void> {
		const lines = following(() => stack.logs("recordUser"));
		await check("an event is consumed once", async () => {
			const sub = await people.admit(emailOf("mary"));
			const { identity } = parseAccount(sub, await people.attributes(sub))._unsafeUnwrap();
			await publish("UserConfirmed", { version: 1, identity });
			return (await users.findBySub(sub)).isOk() && (await rest("recordUser", sub)) === 0;
		});
		await check("a federated account is found by its sub alone", async () => {
			const sub = await stack.federate(`Google_${own}`, emailOf("grace"));
			const eventName = "DeleteUserAttributes";
			const detail = { eventName, additionalEventData: { sub } };
			const trail = { "detail-type": "AWS API Call via CloudTrail", detail };
			await invokeConsumer(stack, "recordUser", trail);
			return (await users.findBySub(sub)).isOk();
		});
		await check("the consumer keeps what it can never consume", async () => {
			await publish("UserConfirmed", { own });
			return (await rest("recordUser", own)) === 1 && !rejected(lines());
		});
		await check("EventBridge keeps what the queue does not take", async () => {
			const about = String(queue("recordUser")?.physicalName);
			const lift = stack.fault({ service: "sqs", caller: "events", about, kind: "throttle" });
			await publish("UserConfirmed", { own }).finally(lift);
			return (await rest("recordUser", own)) === 2;
		});
	}

	/** The consumer of the table's stream. */
	async function tellOfChanges(): Promise<void> {
		const before = await rest("publishChanges");
		const lines = following(() => stack.logs("publishChanges"));
		const { sub } = (await users.findByEmail(emailOf("ada")))._unsafeUnwrap();
		await check("a change is told of, and logged", async () => {
			const updated = countFollowing("UserUpdated");
			await users.update(sub, { displayName: "Ada" });
			await stack.settled();
			return updated() === 1 && lines().length > 0;
		});
		await check("publishChanges keeps what it can never tell of", async () => {
			const Item = { PK: { S: `USER#${own}` }, SK: { S: "PROFILE" } };
			await client.send(new PutItemCommand({ TableName: tableName, Item }));
			await stack.settled();
			return (await rest("publishChanges")) > before && !rejected(lines());
		});
	}
}

const rejected = (lines: readonly string[]) =>
	lines.some((line) => line.includes("DeadLetterRejected"));

type Attributes = Readonly<Record<string, string | undefined>>;

/** Invokes a function for an account with these attributes, as a trigger, or as a consumer of its queue. */
async function invokeFunction(stack: Stack, name: string, attributes: Attributes): Promise<void> {
	const { sub = "" } = attributes;
	if (triggers.includes(name)) {
		return invoke(stack, name, {
			triggerSource: "PostConfirmation_ConfirmSignUp",
			userPoolId: stack.outputs.userPoolId,
			userName: sub,
			request: { userAttributes: attributes },
		});
	}
	const account = parseAccount(sub, attributes).unwrapOr(undefined);
	return invokeConsumer(stack, name, {
		source: eventSource,
		"detail-type": eventTypes[0],
		detail: { version: 1, ...account },
	});
}

const invokeConsumer = (stack: Stack, name: string, event: object) =>
	invoke(stack, name, { Records: [{ messageId: "1", body: JSON.stringify(event) }] });

async function invoke(stack: Stack, name: string, payload: object): Promise<void> {
	const fn = declared(stack.program, "aws:lambda/function:Function").find(
		(each) => each.name === name,
	);
	await fetch(`${stack.endpoint}/2015-03-31/functions/${fn?.physicalName}/invocations`, {
		method: "POST",
		headers: { authorization: "Credential=local/" },
		body: JSON.stringify(payload),
	});
}

for (const writeMode of writeModes) {
	test(`in ${writeMode} mode no permission is missing, and none is spare`, async (t) => {
		t.timeout(180_000); // for each of them
		const program = await impatientProgram(writeMode);
		const stack = await startStack({ program });
		t.teardown(stack.close);
		t.is(await firstFailure(stack, writeMode), undefined);
		const lacking = withoutEach(program);
		for (const what of [
			...functions.map((name) => `${name}-logs logs:PutLogEvents`),
			...triggers.map((name) => `${LAMBDA_PERMISSION} ${name}-cognito-idp`),
			`${QUEUE_POLICY} recordUser`,
			`${QUEUE_POLICY} recordUser-deadLetters`,
			"recordUser-consume sqs:ReceiveMessage",
			"publishChanges-consume dynamodb:GetRecords",
			...triggers.map((name) => `${name}-publish events:PutEvents`),
		]) {
			t.true(lacking.has(what), what);
		}
		for (const [what, lackingProgram] of lacking) {
			// The others lack nothing, and the rest is the same in both modes.
			if (writeMode === "immediate" && !/-(write|link) /.test(what)) continue;
			const used = functions.filter((name) => what.includes(name));
			stack.replacePolicies(lackingProgram);
			const failure = await firstFailure(stack, writeMode, used);
			stack.replacePolicies(program);
			if (failure !== undefined) continue;
			// What is asked once, as a process or a poller starts, is missed by those that start without it.
			const own = await startStack({ program: lackingProgram });
			const ownFailure = await firstFailure(own, writeMode, used);
			await own.close();
			t.truthy(ownFailure, `${what} is spare`);
		}
		t.is(await firstFailure(stack, writeMode), undefined, "with all of them again, all works");
	});
}

/** The program of one statement, in the role of the function `postConfirmation`. */
async function withStatement(statement: object): Promise<Program> {
	const program = await ownProgram;
	const policy = JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
	return withInputs(program, { type: ROLE_POLICY, name: "postConfirmation-publish" }, { policy });
}
const ownProgram = testProgram();

const putItem = (program: Program): Call => ({
	service: "dynamodb",
	operation: "PutItem",
	body: { TableName: program.outputs.tableName },
	caller: "postConfirmation",
});

test("a function that does more than its role allows is refused as on AWS", async (t) => {
	const stack = await startStack({ program: await ownProgram });
	t.teardown(stack.close);
	const call = (authorization: string) =>
		fetch(stack.endpoint, {
			method: "POST",
			headers: { "x-amz-target": "DynamoDB_20120810.Scan", authorization },
			body: JSON.stringify({ TableName: stack.outputs.tableName }),
		});
	const refused = await call("Credential=recordUser/");
	const [role] = declared(stack.program, "aws:iam/role:Role").filter(
		({ name }) => name === "recordUser",
	);
	const [table] = declared(stack.program, "aws:dynamodb/table:Table");
	t.is(refused.status, 400);
	t.deepEqual(await refused.json(), {
		__type: "AccessDeniedException",
		message: `User: arn:aws:sts::123456789012:assumed-role/${role?.physicalName}/recordUser is not authorized to perform: dynamodb:Scan on resource: ${table?.arn} because no identity-based policy allows the dynamodb:Scan action`,
	});
	t.is((await call("Credential=local/")).status, 200, "the operator may do everything");
	t.is((await call("")).status, 400, "and who does not sign, nothing");
});

test("a wildcard stands for any characters within its part of an ARN, and an index is not its table", async (t) => {
	const [table] = declared(await ownProgram, "aws:dynamodb/table:Table");
	const arn = String(table?.arn);
	const index = { TableName: table?.physicalName, IndexName: "GSI1" };
	for (const [Action, Resource, body, allowed] of [
		["dynamodb:PutItem", arn, {}, true],
		["dynamodb:putitem", arn, {}, true],
		["dynamodb:Put*", arn, {}, true],
		["dynamodb:Put", arn, {}, false],
		["dynamodb:*Item", "*", {}, true],
		["*", "arn:aws:dynamodb:*:*:table/users-*", {}, true],
		["*", "arn:*:dynamodb:*:*:table/other-*", {}, false],
		["*", "arn:aws:*:*:*:*:table/*", {}, false],
		["*", arn, index, false],
		["*", `${arn}/index/*`, index, true],
		["sqs:*", "*", {}, false],
		["*", undefined, {}, false],
		["*", "undefined/*", {}, false],
		["*", [undefined, arn], {}, true],
	] as const) {
		const program = await withStatement({ Effect: "Allow", Action, Resource });
		const call = putItem(program);
		const attempt = () => createPermissions(program)({ ...call, body: { ...call.body, ...body } });
		const what = `${Action} on ${Resource}`;
		if (allowed) t.notThrows(attempt, what);
		else t.throws(attempt, { code: "AccessDeniedException" }, what);
	}
});

const allow = { Effect: "Allow", Action: "events:PutEvents", Resource: "*" };

for (const [what, statement] of Object.entries({
	"a denial": { ...allow, Effect: "Deny" },
	NotAction: { Effect: "Allow", NotAction: "sqs:*", Resource: "*" },
	NotResource: { Effect: "Allow", Action: "sqs:*", NotResource: "*" },
	"a principal in a role's policy": { ...allow, Principal: "*" },
	"a condition in a role's policy": {
		...allow,
		Condition: { Bool: { "aws:SecureTransport": true } },
	},
	"an action of no service": { ...allow, Action: "PutEvents" },
	"an action that is no text": { ...allow, Action: [1] },
	"a wildcard for one character": { ...allow, Action: "events:PutEvent?" },
	"a policy variable": { ...allow, Resource: "arn:aws:s3:::$" + "{aws:username}" },
	"half an ARN": { ...allow, Resource: "arn:aws:sqs" },
})) {
	test(`${what} stops the start`, async (t) => {
		const error = await t.throwsAsync(startStack({ program: await withStatement(statement) }));
		t.true(RunError.isInstance(error));
		t.regex(error?.message ?? "", /postConfirmation-publish.* teach local\/aws\/iam\.ts/);
	});
}

const queuePolicy = {
	Effect: "Allow",
	Principal: { Service: "events.amazonaws.com" },
	Action: "sqs:SendMessage",
	Resource: "*",
};

for (const [what, resource, inputs] of [
	[
		"a principal that is no service",
		"aws:sqs/queuePolicy:QueuePolicy recordUser",
		{ policy: document({ ...queuePolicy, Principal: "*" }) },
	],
	[
		"a principal of another kind",
		"aws:sqs/queuePolicy:QueuePolicy recordUser",
		{ policy: document({ ...queuePolicy, Principal: { AWS: "123456789012" } }) },
	],
	[
		"a condition's unknown operator",
		"aws:sqs/queuePolicy:QueuePolicy recordUser",
		{ policy: document({ ...queuePolicy, Condition: { ArnNotLike: { "aws:SourceArn": "*" } } }) },
	],
	[
		"a condition's unknown key",
		"aws:sqs/queuePolicy:QueuePolicy recordUser",
		{ policy: document({ ...queuePolicy, Condition: { ArnLike: { "aws:PrincipalArn": "*" } } }) },
	],
	[
		"an unknown version",
		"aws:sqs/queuePolicy:QueuePolicy recordUser",
		{ policy: JSON.stringify({ Version: "2008-10-17", Statement: [queuePolicy] }) },
	],
	[
		"a managed policy",
		"aws:iam/role:Role recordUser",
		{ managedPolicyArns: ["arn:aws:iam::aws:policy/x"] },
	],
	["a policy on the queue itself", "aws:sqs/queue:Queue recordUser", { policy: "{}" }],
	[
		"a role that Lambda may not assume",
		"aws:iam/role:Role recordUser",
		{
			assumeRolePolicy: document({
				Effect: "Allow",
				Action: "sts:AssumeRole",
				Principal: { Service: "ec2.amazonaws.com" },
			}),
		},
	],
] as const) {
	test(`${what} stops the start`, async (t) => {
		const [type = "", name = ""] = resource.split(" ");
		const program = withInputs(await ownProgram, { type, name }, inputs);
		const error = await t.throwsAsync(startStack({ program }));
		t.true(RunError.isInstance(error));
		t.regex(error?.message ?? "", new RegExp(name));
	});
}

test("a policy that is attached to the role of a function stops the start", async (t) => {
	const program = await ownProgram;
	const [role] = declared(program, "aws:iam/role:Role").filter(({ name }) => name === "recordUser");
	for (const inputs of [{ role: role?.physicalName }, { roles: ["x", role?.physicalName] }]) {
		const attachment = {
			type: "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
			name: "attached",
			id: "",
			arn: "",
			physicalName: "",
			protect: false,
			inputs,
		};
		const attached = { ...program, resources: [...program.resources, attachment] };
		const error = await t.throwsAsync(startStack({ program: attached }));
		t.regex(error?.message ?? "", /attached/);
	}
});

function document(statement: object): string {
	return JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
}
