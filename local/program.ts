import type * as pulumi from "@pulumi/pulumi";

/** The account that everything here belongs to; AWS keeps this number for examples. */
export const ACCOUNT = "123456789012";

/** One resource that the program declares, with its inputs as the provider would get them. */
export interface Resource<Inputs = Record<string, unknown>> {
	type: string;
	/** The logical name: the first argument of its constructor. */
	name: string;
	id: string;
	arn: string;
	/** What it is called in the account, made from the logical name unless the program says. */
	physicalName: string;
	/** Whether Pulumi refuses to delete it. */
	protect: boolean;
	inputs: Inputs;
}

/** What the program declares for one stack with one set of settings. */
export interface Program {
	/** The directory that holds `Pulumi.yaml`. */
	directory: string;
	region: string;
	resources: Resource[];
	outputs: Record<string, unknown>;
}

/** What this machine runs of a program. */
const RUN = [
	"aws:cloudwatch/eventBus:EventBus",
	"aws:cloudwatch/eventRule:EventRule",
	"aws:cloudwatch/eventTarget:EventTarget",
	"aws:cloudwatch/logGroup:LogGroup",
	"aws:cognito/userPool:UserPool",
	"aws:cognito/userPoolClient:UserPoolClient",
	"aws:dynamodb/table:Table",
	"aws:iam/role:Role",
	"aws:iam/rolePolicy:RolePolicy",
	"aws:lambda/eventSourceMapping:EventSourceMapping",
	"aws:lambda/function:Function",
	"aws:lambda/permission:Permission",
	"aws:scheduler/schedule:Schedule",
	"aws:sfn/stateMachine:StateMachine",
	"aws:sqs/queue:Queue",
	"aws:sqs/queuePolicy:QueuePolicy",
] as const;
type Type = (typeof RUN)[number];

type Aws = typeof import("@pulumi/aws");
/** The arguments of the class of Pulumi's that declares resources of a type. */
type Args<T extends Type> =
	T extends `aws:${infer Module extends keyof Aws}/${string}:${infer Class}`
		? Aws[Module][Class & keyof Aws[Module]] extends new (
				name: string,
				args: infer A,
			) => unknown
			? A
			: never
		: never;

/** A resource with the inputs that a type of resource takes. */
export type Declared<T extends Type> = Resource<pulumi.Unwrap<NonNullable<Args<T>>>>;

/** The resources of one type that a program declares, with the type of their inputs. */
export function declared<T extends Type>(program: Program, type: T): Declared<T>[] {
	// The program was written against these very types, so its inputs have them.
	return program.resources.filter((resource) => resource.type === type) as Declared<T>[];
}

/** The types of what a program declares and this machine leaves out, sorted. */
export function typesNotRun({ resources }: Program): string[] {
	const run: readonly string[] = RUN;
	return [...new Set(resources.map(({ type }) => type))]
		.filter((type) => !run.includes(type))
		.sort();
}

/** The ARN of the stream of a table that has one; AWS names it after the time at which it was made. */
export const streamArn = (tableArn: string) => `${tableArn}/stream/2026-01-01T00:00:00.000`;
