import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { setImmediate } from "node:timers/promises";
import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";

/** The account that everything here belongs to; AWS keeps this number for examples. */
export const ACCOUNT = "123456789012";

export type Settings = Record<string, string | number | boolean | undefined>;

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

export interface EvaluateOptions {
	/** Settings that override those of the stack's file, such as `{ writeMode: "immediate" }`. */
	settings?: Settings;
	/** The directory that holds `Pulumi.yaml` and `index.ts`: this project, unless given. */
	directory?: string;
	/** The stack whose `Pulumi.<stack>.yaml` is read. */
	stack?: string;
	/** The URL that queue URLs begin with. */
	endpoint?: string;
}

interface InputsByType {
	"aws:cloudwatch/eventBus:EventBus": aws.cloudwatch.EventBusArgs;
	"aws:cloudwatch/eventRule:EventRule": aws.cloudwatch.EventRuleArgs;
	"aws:cloudwatch/eventTarget:EventTarget": aws.cloudwatch.EventTargetArgs;
	"aws:cognito/userPool:UserPool": aws.cognito.UserPoolArgs;
	"aws:cognito/userPoolClient:UserPoolClient": aws.cognito.UserPoolClientArgs;
	"aws:dynamodb/table:Table": aws.dynamodb.TableArgs;
	"aws:iam/role:Role": aws.iam.RoleArgs;
	"aws:iam/rolePolicy:RolePolicy": aws.iam.RolePolicyArgs;
	"aws:lambda/function:Function": aws.lambda.FunctionArgs;
	"aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": aws.lambda.FunctionEventInvokeConfigArgs;
	"aws:lambda/permission:Permission": aws.lambda.PermissionArgs;
	"aws:sqs/queue:Queue": aws.sqs.QueueArgs;
	"aws:sqs/queuePolicy:QueuePolicy": aws.sqs.QueuePolicyArgs;
}

export type Declared<Type extends keyof InputsByType> = Resource<pulumi.Unwrap<InputsByType[Type]>>;

/** The resources of one type that a program declares, with the type of their inputs. */
export function declared<Type extends keyof InputsByType>(
	program: Program,
	type: Type,
): Declared<Type>[] {
	// The program was written against these very types, so its inputs have them.
	return program.resources.filter((resource) => resource.type === type) as Declared<Type>[];
}

let previous: Promise<unknown> = Promise.resolve();

/**
 * Runs the Pulumi program under Pulumi's mock runtime, which asks nothing of AWS or of the engine.
 *
 * @returns every resource that it declares, and its outputs.
 * Rejects with whatever the program throws, however late; `pulumi.RunError` if a setting is wrong.
 */
export function evaluate(options: EvaluateOptions = {}): Promise<Program> {
	// One at a time: Pulumi's mock runtime is global to the process.
	const evaluated = previous.then(() => evaluateAlone(options));
	previous = evaluated.catch(() => undefined);
	return evaluated;
}

async function evaluateAlone(options: EvaluateOptions): Promise<Program> {
	const directory = options.directory ?? dirname(__dirname);
	const stack = options.stack ?? "dev";
	const project = readYaml(join(directory, "Pulumi.yaml"));
	const stackFile = join(directory, `Pulumi.${stack}.yaml`);
	const config = settingsOf(project, stackFile, options.settings ?? {});
	const region = config["aws:region"];
	const place = { region, endpoint: options.endpoint ?? "http://127.0.0.1" };
	const resources: Resource[] = [];
	const protectedOnes = new Set<string>();
	const failures: unknown[] = [];

	pulumi.runtime.setMocks(
		{
			newResource({ type, name, inputs, custom }) {
				if (!custom || type.startsWith("pulumi:")) return { id: undefined, state: inputs };
				const key = `${type} ${name}`;
				const physicalName = String(inputs.name ?? `${name}-${digest(key).slice(0, 7)}`);
				const { id, ...attributes } = provide(type, physicalName, inputs, place);
				const protect = protectedOnes.has(key);
				resources.push({ type, name, id, arn: attributes.arn, physicalName, protect, inputs });
				return { id, state: { ...inputs, ...attributes, name: physicalName } };
			},
			call: ({ token }) => answer(token, region),
		},
		project.name,
		stack,
		false,
	);
	pulumi.runtime.setAllConfig(config);
	forget(directory);

	// A failure inside an `apply` reaches nobody's `catch`: Pulumi's own runner listens here too.
	const listeners = process.listeners("unhandledRejection");
	let fail = () => {};
	const failed = new Promise<void>((resolve) => (fail = resolve));
	const collect = (reason: unknown) => {
		failures.push(reason);
		fail();
	};
	process.removeAllListeners("unhandledRejection").on("unhandledRejection", collect);
	try {
		const outputs = pulumi.runtime
			.runInPulumiStack(async () => {
				// The only place where the mock runtime shows a resource's options.
				pulumi.runtime.registerStackTransformation(({ type, name, opts }) => {
					if (opts.protect) protectedOnes.add(`${type} ${name}`);
					return undefined;
				});
				return require(join(directory, "index"));
			})
			.catch(collect);
		// What waits for a resource that has failed waits for ever.
		await Promise.race([outputs, failed]);
		let seen: number;
		do {
			seen = resources.length;
			// Resolves once no registration is under way.
			await Promise.race([pulumi.runtime.disconnect(), failed]);
			await setImmediate(); // lets an `apply` that declares more resources begin
		} while (resources.length > seen);
		if (failures.length > 0) throw failures.find(pulumi.RunError.isInstance) ?? failures[0];
		return { directory, region, resources, outputs: { ...Object(await outputs) } };
	} finally {
		process.off("unhandledRejection", collect);
		for (const listener of listeners) process.on("unhandledRejection", listener);
	}
}

/** The settings as the engine would give them: declared defaults, the stack's file, overrides. */
function settingsOf({ name, config }: Yaml, stackFile: string, overrides: Settings) {
	const ofStack = existsSync(stackFile) ? readYaml(stackFile).config : undefined;
	const defaults = Object.entries(Object(config)).map(([key, declaration]) => {
		const { value, default: fallback = value } = Object(declaration);
		return [key, fallback] as const;
	});
	const settings = { "aws:region": "us-east-1" };
	for (const [key, value] of [
		defaults,
		Object.entries({ ...Object(ofStack), ...overrides }),
	].flat()) {
		if (value === undefined || value === null) continue;
		const text = typeof value === "string" ? value : JSON.stringify(value);
		Object.assign(settings, { [key.includes(":") ? key : `${name}:${key}`]: text });
	}
	return settings;
}

interface Yaml {
	name?: string;
	config?: unknown;
}

function readYaml(path: string): Yaml {
	return Object(parse(readFileSync(path, "utf8")));
}

/** Lets the program's own modules be evaluated again; installed packages and this directory stay. */
function forget(directory: string): void {
	for (const path of Object.keys(require.cache)) {
		const own = path.startsWith(directory + sep) && !path.includes(`${sep}node_modules${sep}`);
		if (own && !path.startsWith(__dirname + sep)) delete require.cache[path];
	}
}

/** What comes before the name in an ARN, where it is not made of the type: service, and path. */
const ARN_PATHS: Record<string, [service: string, path: string]> = {
	"aws:cloudwatch/eventArchive:EventArchive": ["events", "archive/"],
	"aws:cloudwatch/eventBus:EventBus": ["events", "event-bus/"],
	"aws:cloudwatch/eventRule:EventRule": ["events", "rule/"],
	"aws:cloudwatch/logGroup:LogGroup": ["logs", "log-group:"],
	"aws:cloudwatch/metricAlarm:MetricAlarm": ["cloudwatch", "alarm:"],
	"aws:cognito/userPool:UserPool": ["cognito-idp", "userpool/"],
	"aws:lambda/function:Function": ["lambda", "function:"],
	"aws:sns/topic:Topic": ["sns", ""],
	"aws:sqs/queue:Queue": ["sqs", ""],
};

/** What the AWS provider would answer when it has made a resource: ids and ARNs as AWS's. */
function provide(
	type: string,
	physicalName: string,
	inputs: Record<string, unknown>,
	{ region, endpoint }: { region: string; endpoint: string },
): { id: string; arn: string; url?: string } {
	const [, module = "", kind = ""] = /^\w+:(\w+)\/(\w+):/.exec(type) ?? [];
	const [service, path] = ARN_PATHS[type] ?? [module, `${kind}/`];
	const where = `arn:aws:${service}:${service === "iam" ? "" : region}:${ACCOUNT}:${path}`;
	const arn = `${where}${physicalName}`;
	switch (type) {
		case "aws:cognito/userPool:UserPool": {
			const id = `${region}_${digest(physicalName).slice(0, 9).toUpperCase()}`;
			return { id, arn: `${where}${id}` };
		}
		case "aws:cognito/userPoolClient:UserPoolClient":
			return { id: digest(physicalName).slice(0, 26), arn };
		case "aws:cloudwatch/eventRule:EventRule": {
			const id = `${inputs.eventBusName ?? "default"}/${physicalName}`;
			return { id, arn: `${where}${id}` };
		}
		case "aws:sns/topic:Topic":
			return { id: arn, arn };
		case "aws:sqs/queue:Queue": {
			const url = `${endpoint}/${ACCOUNT}/${physicalName}`;
			return { id: url, arn, url };
		}
		default:
			return { id: physicalName, arn };
	}
}

/** Forty letters and digits that look random, and are the same each time. */
function digest(text: string): string {
	return BigInt(`0x${createHash("sha256").update(text).digest("hex")}`)
		.toString(36)
		.slice(-40);
}

/** What AWS would answer to the few questions that a program asks while it is evaluated. */
function answer(token: string, region: string): Record<string, unknown> {
	const answers: Record<string, Record<string, unknown>> = {
		getRegion: { id: region, name: region, region },
		getCallerIdentity: { id: ACCOUNT, accountId: ACCOUNT, userId: "local" },
		getPartition: { id: "aws", partition: "aws", dnsSuffix: "amazonaws.com" },
	};
	const known = answers[String(token.split(":").at(-1))];
	if (known) return known;
	throw new pulumi.RunError(
		`The program asks AWS for ${token}, which the embedded stack cannot answer: teach local/program.ts to.`,
	);
}
