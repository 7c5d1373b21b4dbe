import { RunError } from "@pulumi/pulumi/errors";
import { type Call, ServiceError } from "../endpoint";
import { ACCOUNT, type Declared, declared, type Program, streamArn } from "../program";
import { nameOf } from "./lambda";

/** What somebody wants to do, and if it is an AWS service, which one and on whose behalf. */
interface Wish {
	readonly action: string;
	readonly resource: string;
	readonly service: string;
	readonly sourceArn?: string | undefined;
}

type Allows = (wish: Wish) => boolean;

/** Inputs of a role that grant or forbid something, and are not enforced here. */
const OTHER_GRANTS = ["inlinePolicies", "managedPolicyArns", "permissionsBoundary"];

/**
 * Makes what allows or refuses a call: that of a function, a state machine or a schedule by the policies of its role, an AWS service's by the policies of what
 * it calls. Any other key is the operator's, who may do everything; without one, Cognito's public operations are open.
 *
 * @returns a function that throws `AccessDeniedException` for what is not allowed.
 * Throws `pulumi.RunError` if a policy of what runs here grants or forbids anything in a way that is not understood.
 */
export function createPermissions(program: Program): (call: Call) => void {
	const principals = new Map<string | undefined, { user: string; based: string; may: Allows[] }>();
	for (const { caller, what, name, roleArn, service } of assumedRoles(program)) {
		const role = declared(program, "aws:iam/role:Role").find(({ arn }) => arn === roleArn);
		const trust = role ? statementsOf("trust", role.name, role.inputs.assumeRolePolicy) : [];
		const assume = { action: "sts:AssumeRole", resource: "", service };
		if (!role || !trust.some((allows) => allows(assume))) {
			throw new RunError(
				`The ${what} ${name} needs a role that the program declares, and that ${service} may assume.`,
			);
		}
		const user = `arn:aws:sts::${ACCOUNT}:assumed-role/${role.physicalName}/${name}`;
		principals.set(caller, { user, based: "identity-based", may: policiesOf(program, role) });
	}

	const queuePolicies = [
		...declared(program, "aws:sqs/queuePolicy:QueuePolicy"),
		...declared(program, "aws:sqs/queue:Queue").filter(({ inputs }) => inputs.policy),
	];
	const onResources = [
		...queuePolicies.flatMap(({ name, inputs }) => statementsOf("resource", name, inputs.policy)),
		...declared(program, "aws:lambda/permission:Permission").map(({ name, inputs }) =>
			readStatement("resource", name, {
				Effect: "Allow",
				Action: inputs.action,
				Resource: arnOf(program, "aws:lambda/function:Function", nameOf(String(inputs.function))),
				Principal: { Service: inputs.principal },
				Condition: inputs.sourceArn && { ArnLike: { "aws:SourceArn": inputs.sourceArn } },
			}),
		),
	];
	// Lambda's own pollers, which call as "sqs" and "dynamodb", invoke a function without a policy of it.
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
		const action = actionOf(service, operation);
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

/** What a policy calls an operation, where that is not its own name. */
function actionOf(service: Call["service"], operation: string): string {
	if (service === "dynamodbstreams") return `dynamodb:${operation}`;
	if (service === "sqs") return `sqs:${operation.replace(/Batch$/, "")}`;
	return `${service}:${operation === "Invoke" ? "InvokeFunction" : operation}`;
}

/** What calls under a role of its own: which role, who assumes it for it, and who it is as a caller. */
function assumedRoles(program: Program) {
	return [
		...declared(program, "aws:lambda/function:Function").map(({ name, inputs }) => ({
			caller: name,
			what: "function",
			name,
			roleArn: inputs.role,
			service: "lambda.amazonaws.com",
		})),
		...declared(program, "aws:sfn/stateMachine:StateMachine").map(({ name, inputs }) => ({
			caller: `states/${name}`,
			what: "state machine",
			name,
			roleArn: inputs.roleArn,
			service: "states.amazonaws.com",
		})),
		...declared(program, "aws:scheduler/schedule:Schedule").map(({ name, inputs }) => ({
			caller: `scheduler/${name}`,
			what: "schedule",
			name,
			roleArn: inputs.target.roleArn,
			service: "scheduler.amazonaws.com",
		})),
	];
}

const notUnderstood = (where: string, what: string) =>
	new RunError(
		`The embedded stack cannot enforce ${where}, as it does not understand ${what}: write it otherwise, or teach local/aws/iam.ts to.`,
	);

/** What the policies of a function's role allow; there must be no others than its aws.iam.RolePolicy. */
function policiesOf(program: Program, role: Declared<"aws:iam/role:Role">): Allows[] {
	const other = OTHER_GRANTS.find((input) => input in role.inputs);
	if (other) throw notUnderstood(`the role ${role.name}`, other);
	const attached = program.resources.filter(
		({ type, inputs }) =>
			type.startsWith("aws:iam/") &&
			[inputs.role, inputs.roles, inputs.roleName].flat().includes(role.physicalName),
	);
	for (const { type, name } of attached) {
		if (type !== "aws:iam/rolePolicy:RolePolicy") throw notUnderstood(`${type} ${name}`, "it");
	}
	return attached.flatMap(({ name, inputs }) => statementsOf("identity", name, inputs.policy));
}

/** The ARNs of what a call is about; `*` for what has none, or is not declared. */
function resourcesOf(program: Program, { service, body }: Call): string[] {
	const arn = (type: string, reference?: string) => arnOf(program, type, reference) ?? "*";
	const request = Object(body); // each service names what it is about in fields of its own
	switch (service) {
		case "cognito-idp":
			return [arn("aws:cognito/userPool:UserPool", request.UserPoolId)];
		case "dynamodb": {
			const index = request.IndexName === undefined ? "" : `/index/${request.IndexName}`;
			return Object.keys(request.RequestItems ?? { [request.TableName]: {} }).map(
				(name) => arn("aws:dynamodb/table:Table", name) + index,
			);
		}
		case "dynamodbstreams": {
			const [stream] = String(request.ShardIterator ?? request.StreamArn).split("|");
			const table = arnOf(program, "aws:dynamodb/table:Table", request.TableName);
			return [table === undefined ? String(stream) : streamArn(table)];
		}
		case "events":
			return [request.Entries ?? []]
				.flat()
				.map(({ EventBusName = "default" }) =>
					EventBusName === "default"
						? `arn:aws:events:${program.region}:${ACCOUNT}:event-bus/default`
						: arn("aws:cloudwatch/eventBus:EventBus", EventBusName),
				);
		case "lambda":
			return [arn("aws:lambda/function:Function", nameOf(request.FunctionName))];
		case "logs": {
			const group = `arn:aws:logs:${program.region}:${ACCOUNT}:log-group:${request.logGroupName}`;
			return [`${group}:log-stream:${request.logStreamName}`];
		}
		case "states":
			return [arn("aws:sfn/stateMachine:StateMachine", request.stateMachineArn)];
		case "sqs":
			return [
				arn("aws:sqs/queue:Queue", request.SourceArn ?? String(request.QueueUrl).split("/").at(-1)),
			];
	}
}

/** The ARN of a declared resource, which is referred to by its id, its name or its ARN. */
function arnOf({ resources }: Program, type: string, reference = ""): string | undefined {
	return resources.find(
		(each) => each.type === type && [each.id, each.physicalName, each.arn].includes(reference),
	)?.arn;
}

/** Of what a policy is: of a role, of what is called, or of who may assume a role. */
type Kind = "identity" | "resource" | "trust";

/** What each statement of a policy allows. */
function statementsOf(kind: Kind, name: string, policy: unknown): Allows[] {
	const { Version, Statement } = Object(typeof policy === "string" ? JSON.parse(policy) : policy);
	if (Version !== "2012-10-17") {
		throw notUnderstood(`the ${kind} policy ${name}`, JSON.stringify({ Version }));
	}
	return [Statement].flat().map((statement) => readStatement(kind, name, statement));
}

/** What one statement allows; whatever it holds must be understood. */
function readStatement(kind: Kind, name: string, statement: object): Allows {
	const refuse = (what: unknown) =>
		notUnderstood(`the ${kind} policy ${name}`, JSON.stringify(what));
	const { Sid, Effect, Action, Resource, Principal, Condition, ...others } = Object(statement);
	const { Service, ...otherPrincipals } = Object(Principal);
	if (
		Effect !== "Allow" ||
		Object.keys({ ...others, ...otherPrincipals }).length > 0 ||
		(kind === "identity" && Principal !== undefined) ||
		(kind === "identity" && Condition !== undefined)
	) {
		throw refuse(statement);
	}

	const actions = [Action].flat().map((action) => {
		if (!/^(\*|[a-z0-9-]+:[\w*]+)$/.test(String(action))) throw refuse(Action);
		return new RegExp(`^${matching(String(action), ".*")}$`, "i");
	});
	/** What belongs to something that is not run here is undefined, or a text made with that: it matches nothing. */
	const arns = (value: unknown) =>
		[value].flat().flatMap((each) => {
			const arn = String(each);
			if (/\bundefined\b|^null$/.test(arn)) return [];
			if (/^(\*|arn(:[^:$?]*){4}:[^$?]+)$/.test(arn)) return matchingArn(arn);
			throw refuse(value);
		});
	const resources = kind === "trust" ? [/^/] : arns(Resource);
	const conditions = Object.entries(Object(Condition)).flatMap(([operator, tests]) =>
		Object.entries(Object(tests)).map(([key, value]): Allows => {
			if (/^Arn(Equals|Like)$/.test(operator) && key === "aws:SourceArn" && kind === "resource") {
				const patterns = arns(value);
				return ({ sourceArn = "" }) => patterns.some((pattern) => pattern.test(sourceArn));
			}
			// Whatever calls here is of the one account.
			if (operator === "StringEquals" && key === "aws:SourceAccount") {
				return () => [value].flat().includes(ACCOUNT);
			}
			throw refuse(Condition);
		}),
	);

	return (wish) =>
		actions.some((pattern) => pattern.test(wish.action)) &&
		resources.some((pattern) => pattern.test(wish.resource)) &&
		(kind === "identity" || [Service].flat().includes(wish.service)) &&
		conditions.every((holds) => holds(wish));
}

/** The source of a pattern in which `*` stands for other characters. */
function matching(text: string, wildcard: string): string {
	return text.replace(/[\\^$.|+?()[\]{}]/g, "\\$&").replaceAll("*", wildcard);
}

/** A `*` in an ARN reaches over no colon but those of its last part. */
function matchingArn(arn: string): RegExp {
	if (arn === "*") return /^/;
	const parts = arn.split(":");
	const [beginning, last] = [parts.slice(0, 5).join(":"), parts.slice(5).join(":")];
	return new RegExp(`^${matching(beginning, "[^:]*")}:${matching(last, ".*")}$`);
}
