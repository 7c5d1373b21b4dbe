import * as pulumi from "@pulumi/pulumi";
import { type Call, ServiceError } from "../endpoint";
import { ACCOUNT, declared, type Program } from "../program";
import { nameOf } from "./lambda";

/** What somebody wants to do. */
interface Wish {
	readonly action: string;
	readonly resource: string;
	/** The AWS service that wants it, if it is one, and on whose behalf. */
	readonly service?: string | undefined;
	readonly sourceArn?: string | undefined;
}

type Allows = (wish: Wish) => boolean;

/** What a statement must hold, by the kind of policy that it is in; a `Sid` and a `Condition` may come on top. */
const ELEMENTS = {
	identity: ["Action", "Effect", "Resource"],
	resource: ["Action", "Effect", "Principal", "Resource"],
	trust: ["Action", "Effect", "Principal"],
};

/** The inputs that are understood of what grants something, with their names in it. */
const INPUTS: Record<string, readonly string[]> = {
	"aws:iam/role:Role": ["assumeRolePolicy", "description", "name", "tags"],
	"aws:iam/rolePolicy:RolePolicy": ["name", "policy", "role"],
	"aws:lambda/permission:Permission": [
		"action",
		"function",
		"principal",
		"sourceArn",
		"statementId",
	],
	"aws:sqs/queuePolicy:QueuePolicy": ["policy", "queueUrl"],
};

/**
 * Makes what allows or refuses a call: a function's by the policies of its role, an AWS service's by the policies of what
 * it calls. Any other key is the operator's, who may do everything; without one, Cognito's public operations are open.
 *
 * @returns a function that throws `AccessDeniedException` for what is not allowed.
 * Throws `pulumi.RunError` if the program grants or forbids anything in a way that is not understood here.
 */
export function createPermissions(program: Program): (call: Call) => void {
	for (const { type, name, inputs } of program.resources) {
		const known = INPUTS[type];
		const strange = Object.keys(inputs).filter((key) => !known?.includes(key));
		if (known && strange.length > 0) throw notUnderstood(`${type} ${name}`, strange.join(", "));
		if (
			!known &&
			(/^aws:iam\/|Policy(Attachment)?$/.test(type) ||
				(/^aws:sqs.*Queue$/.test(type) && inputs.policy))
		) {
			throw notUnderstood(`${type} ${name}`, "it");
		}
	}

	const policies = declared(program, "aws:iam/rolePolicy:RolePolicy");
	const principals = new Map<string | undefined, { user: string; based: string; may: Allows[] }>();
	for (const { name, inputs } of declared(program, "aws:lambda/function:Function")) {
		const role = declared(program, "aws:iam/role:Role").find(({ arn }) => arn === inputs.role);
		const trust = role ? statementsOf("trust", role.name, role.inputs.assumeRolePolicy) : [];
		const assume = { action: "sts:AssumeRole", resource: "", service: "lambda.amazonaws.com" };
		if (!trust.some((allows) => allows(assume))) {
			throw new pulumi.RunError(
				`The function ${name} needs a role that the program declares, and that lambda.amazonaws.com may assume.`,
			);
		}
		principals.set(name, {
			user: `arn:aws:sts::${ACCOUNT}:assumed-role/${role?.physicalName}/${name}`,
			based: "identity-based",
			may: policies
				.filter((each) => each.inputs.role === role?.physicalName)
				.flatMap((each) => statementsOf("identity", each.name, each.inputs.policy)),
		});
	}
	const onResources = [
		...declared(program, "aws:sqs/queuePolicy:QueuePolicy").flatMap(({ name, inputs }) =>
			statementsOf("resource", name, inputs.policy),
		),
		...declared(program, "aws:lambda/permission:Permission").map(({ name, inputs }) =>
			readStatement("resource", name, {
				Effect: "Allow",
				Action: inputs.action,
				Resource: arnOf(program, "aws:lambda/function:Function", nameOf(String(inputs.function))),
				Principal: { Service: inputs.principal },
				...(inputs.sourceArn && { Condition: { ArnLike: { "aws:SourceArn": inputs.sourceArn } } }),
			}),
		),
	];
	for (const service of ["cognito-idp", "events"]) {
		const user = `${service}.amazonaws.com`;
		principals.set(service, { user, based: "resource-based", may: onResources });
	}

	return (call) => {
		const { service, operation, caller, sourceArn } = call;
		// Of Cognito's operations, those of an administrator name the pool, and those of a person do not.
		if (caller === undefined && (service !== "cognito-idp" || "UserPoolId" in call.body)) {
			const message =
				"The request is not signed; any key but that of a function is the operator's.";
			throw new ServiceError("MissingAuthenticationTokenException", message);
		}
		const principal = principals.get(caller);
		if (!principal) return;
		const { user, based, may } = principal;
		const action = `${service}:${operation === "Invoke" ? "InvokeFunction" : operation}`;
		for (const resource of resourcesOf(program, call)) {
			const wish = { action, resource, service: user, sourceArn };
			if (may.some((allows) => allows(wish))) continue;
			throw new ServiceError(
				"AccessDeniedException",
				`User: ${user} is not authorized to perform: ${action} on resource: ${resource} because no ${based} policy allows the ${action} action`,
			);
		}
	};
}

const notUnderstood = (where: string, what: string) =>
	new pulumi.RunError(
		`The embedded stack cannot enforce ${where}, as it does not understand ${what}: write it otherwise, or teach local/permissions.ts to.`,
	);

/** The ARNs of what a call is about; `*` for what has none, or is not declared. */
function resourcesOf(program: Program, { service, body }: Call): string[] {
	const request: Request = body;
	switch (service) {
		case "cognito-idp":
			return [arnOf(program, "aws:cognito/userPool:UserPool", request.UserPoolId)];
		case "dynamodb": {
			const { TableName, RequestItems = { [String(TableName)]: {} }, IndexName } = request;
			return Object.keys(RequestItems).map((name) => {
				const arn = arnOf(program, "aws:dynamodb/table:Table", name);
				return IndexName === undefined ? arn : `${arn}/index/${IndexName}`;
			});
		}
		case "events":
			return (request.Entries ?? []).map(({ EventBusName = "default" }) =>
				arnOf(program, "aws:cloudwatch/eventBus:EventBus", EventBusName),
			);
		case "lambda":
			return [arnOf(program, "aws:lambda/function:Function", nameOf(request.FunctionName ?? ""))];
		case "logs": {
			const { logGroupName, logStreamName } = request;
			const group = `arn:aws:logs:${program.region}:${ACCOUNT}:log-group:${logGroupName}`;
			return [`${group}:log-stream:${logStreamName}`];
		}
		case "sqs":
			return [arnOf(program, "aws:sqs/queue:Queue", request.QueueUrl?.split("/").at(-1))];
	}
}

/** The fields of all services' requests by which they name what they are about. */
interface Request {
	TableName?: string;
	IndexName?: string;
	RequestItems?: object;
	UserPoolId?: string;
	Entries?: { EventBusName?: string }[];
	FunctionName?: string;
	logGroupName?: string;
	logStreamName?: string;
	QueueUrl?: string;
}

function arnOf({ resources }: Program, type: string, reference: string | undefined): string {
	const found = resources.find(
		(each) => each.type === type && [each.id, each.physicalName, each.arn].includes(`${reference}`),
	);
	return found?.arn ?? "*";
}

/** What each statement of a policy allows. */
function statementsOf(kind: keyof typeof ELEMENTS, name: string, policy: unknown): Allows[] {
	const document = typeof policy === "string" ? JSON.parse(policy) : policy;
	const { Version, Statement, ...strange } = Object(document);
	if (Version !== "2012-10-17" || Object.keys(strange).length > 0) {
		throw notUnderstood(`the ${kind} policy ${name}`, JSON.stringify({ Version, ...strange }));
	}
	return [Statement].flat().map((statement) => readStatement(kind, name, statement));
}

/** What one statement allows; whatever it holds must be understood. */
function readStatement(kind: keyof typeof ELEMENTS, name: string, statement: object): Allows {
	const refuse = (what: unknown) =>
		notUnderstood(`the ${kind} policy ${name}`, JSON.stringify(what));
	const { Sid, Condition = {}, ...elements } = statement as Statement; // checked here, field by field
	const { Effect, Action, Resource, Principal } = elements;
	if (Object.keys(elements).sort().join() !== ELEMENTS[kind].join() || Effect !== "Allow") {
		throw refuse(statement);
	}

	/** One or several texts, of which each has to look like this. */
	function texts(value: unknown, pattern: RegExp): string[] {
		const all = [value].flat();
		if (all.every((text) => typeof text === "string" && pattern.test(text))) return all as string[];
		throw refuse(value);
	}

	const actions = texts(Action, /^(\*|[a-z0-9-]+:[\w*?]+)$/).map((text) => matching(text, "i"));
	const resources =
		kind === "trust" ? [() => true] : texts(Resource, ARN_OR_ALL).map((text) => matchingArn(text));
	const { Service, ...others } = Object(Principal);
	if (Object.keys(others).length > 0) throw refuse(Principal);
	const services =
		kind === "identity" ? undefined : texts(Service, /^[a-z0-9.-]+\.amazonaws\.com$/);
	const conditions = Object.entries(Condition).flatMap(([operator, tests]) =>
		Object.entries(tests).map(([key, value]) => {
			const known = kind === "resource" && /^Arn(Equals|Like)$/.test(operator);
			if (!known || key !== "aws:SourceArn") throw refuse(Condition);
			return texts(value, ARN_OR_ALL).map((text) => matchingArn(text));
		}),
	);

	return ({ action, resource, service = "", sourceArn = "" }) =>
		actions.some((matches) => matches(action)) &&
		resources.some((matches) => matches(resource)) &&
		(!services || services.includes(service)) &&
		conditions.every((values) => values.some((matches) => matches(sourceArn)));
}

interface Statement {
	Sid?: unknown;
	Effect?: unknown;
	Action?: unknown;
	Resource?: unknown;
	Principal?: unknown;
	Condition?: Record<string, Record<string, unknown>>;
}

/** `*`, or an ARN of six parts without a variable. */
const ARN_OR_ALL = /^(\*|arn(:[^:$]*){4}:[^$]+)$/;

/** Matches by `*`, any characters, and `?`, any one character. */
function matching(pattern: string, flags?: string): (text: string) => boolean {
	const escaped = pattern.replace(/[\\^$.|+()[\]{}]/g, "\\$&");
	const expression = new RegExp(`^${escaped.replace(/\*/g, ".*").replace(/\?/g, ".")}$`, flags);
	return (text) => expression.test(text);
}

/** Matches part by part: a `*` reaches over no colon but those of the last part. */
function matchingArn(pattern: string): (arn: string) => boolean {
	if (pattern === "*") return () => true;
	const parts = partsOf(pattern).map((part) => matching(part));
	return (arn) => {
		const given = partsOf(arn);
		return given.length === parts.length && parts.every((matches, i) => matches(given[i] ?? ""));
	};
}

/** The six parts of an ARN, of which the last may hold colons. */
function partsOf(arn: string): string[] {
	const parts = arn.split(":");
	return [...parts.slice(0, 5), parts.slice(5).join(":")];
}
