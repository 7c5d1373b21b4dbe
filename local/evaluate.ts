import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { setImmediate } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import validateStateMachine from "asl-validator";
import { parse } from "yaml";
import { ACCOUNT, declared, type Program, type Resource, streamArn } from "./program";

/** Values of a stack's configuration, by name. */
export type StackConfig = Record<string, string | number | boolean | undefined>;

export interface EvaluateOptions {
	/** Settings that override those of the stack's file, such as `{ writeMode: "immediate" }`. */
	settings?: StackConfig;
	/** The directory that holds `Pulumi.yaml` and `index.ts`: this project, unless given. */
	directory?: string;
	/** The stack whose `Pulumi.<stack>.yaml` is read. */
	stack?: string;
	/** The URL that queue URLs begin with. */
	endpoint?: string;
}

let previous: Promise<unknown> = Promise.resolve();

/**
 * Runs the Pulumi program under Pulumi's mock runtime, which asks nothing of AWS or of the engine.
 *
 * @returns every resource that it declares, and its outputs.
 * Rejects with whatever the program throws, however late; `pulumi.RunError` if a setting is wrong, a file of settings is not YAML, or a
 * state machine is none.
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
	const config = configOf(project, stackFile, options.settings ?? {});
	const region = config["aws:region"];
	const place = { region, endpoint: options.endpoint ?? "http://127.0.0.1" };
	const resources: Resource[] = [];
	const protectedOnes = new Set<string>();
	/** The types of a resource's parents and its own: with the name, what Pulumi tells resources apart by. */
	const paths = new Map<pulumi.Resource, string>();
	const urns = new Set<string>();
	const failures: unknown[] = [];

	pulumi.runtime.setMocks(
		{
			async newResource({ type, name, inputs, custom }) {
				for (const [input, value] of Object.entries(inputs)) {
					inputs[input] = await (Array.isArray(value) ? Promise.all(value.map(toId)) : toId(value));
				}
				if (!custom || type.startsWith("pulumi:")) return { id: undefined, state: inputs };
				const key = `${type} ${name}`;
				const twins = resources.filter((each) => each.type === type && each.name === name).length;
				const suffix = digest(`${key} ${twins}`).slice(0, 7);
				const physicalName = String(inputs.name ?? `${name}-${suffix}`);
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
	// Pulumi notes the stack of each promise that it makes, looked up in source maps: that would take half of all the time. The stack
	// of what the program throws is not looked at before the end.
	const { stackTraceLimit, prepareStackTrace } = Error;
	Error.stackTraceLimit = 1;
	Error.prepareStackTrace = String;
	// Of outputs that only AWS can give, who runs the program tells in words of their own.
	const { warn } = console;
	console.warn = (...told) => /Undefined value \(.*\) will not show/.test(told[0]) || warn(...told);
	try {
		const outputs = pulumi.runtime
			.runInPulumiStack(async () => {
				// The only place where the mock runtime shows a resource's options.
				pulumi.runtime.registerStackTransformation(({ resource, type, name, opts }) => {
					if (opts.urn) return undefined; // a reference to a resource that is declared elsewhere
					if (opts.protect) protectedOnes.add(`${type} ${name}`);
					const parentPath = opts.parent && paths.get(opts.parent);
					const path = parentPath === undefined ? type : `${parentPath}$${type}`;
					paths.set(resource, path);
					if (urns.has(`${path}::${name}`)) throw declaredTwice(type, name);
					urns.add(`${path}::${name}`);
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
		const program = { directory, region, resources, outputs: { ...Object(await outputs) } };
		checkStateMachines(program);
		return program;
	} finally {
		Object.assign(Error, { stackTraceLimit, prepareStackTrace });
		console.warn = warn;
		process.off("unhandledRejection", collect);
		for (const listener of listeners) process.on("unhandledRejection", listener);
	}
}

/** A provider gets the id of a resource that is given as an input. */
const toId = (input: unknown): unknown =>
	pulumi.CustomResource.isInstance(input)
		? new Promise((resolve) => input.id.apply(resolve))
		: input;

const declaredTwice = (type: string, name: string) =>
	new pulumi.RunError(
		`The program declares two resources of type ${type} with the name ${name}, which Pulumi refuses: give one of them another name.`,
	);

/** Refuses what Step Functions would: https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html */
function checkStateMachines(program: Program): void {
	for (const { name, inputs } of declared(program, "aws:sfn/stateMachine:StateMachine")) {
		const { isValid, errorsText } = validateStateMachine(JSON.parse(inputs.definition));
		if (isValid) continue;
		throw new pulumi.RunError(
			`The state machine ${name} is not in the Amazon States Language, and AWS would refuse it: ${errorsText("; ")}.`,
		);
	}
}

/** The configuration as the engine would give it: declared defaults, the stack's file, overrides. */
function configOf({ name, config }: Yaml, stackFile: string, overrides: StackConfig) {
	const ofStack = existsSync(stackFile) ? readYaml(stackFile).config : {};
	const defaults = Object.entries(Object(config)).map(([key, declaration]): [string, unknown] => [
		key,
		Object(declaration).default ?? Object(declaration).value,
	]);
	const given = Object.entries({ ...Object(ofStack), ...overrides });
	const result = { "aws:region": "us-east-1" };
	for (const [key, value] of [...defaults, ...given]) {
		if (value === undefined || value === null) continue;
		const text = typeof value === "string" ? value : JSON.stringify(value);
		Object.assign(result, { [key.includes(":") ? key : `${name}:${key}`]: text });
	}
	return result;
}

interface Yaml {
	name?: string;
	config?: unknown;
}

function readYaml(path: string): Yaml {
	const text = readFileSync(path, "utf8");
	try {
		return Object(parse(text));
	} catch (error) {
		const [what] = Object(error).message.split(":\n");
		throw new pulumi.RunError(`${basename(path)} is not valid YAML: ${what}.`);
	}
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
	"aws:cloudwatch/eventBus:EventBus": ["events", "event-bus/"],
	"aws:cloudwatch/eventRule:EventRule": ["events", "rule/"],
	"aws:cloudwatch/logGroup:LogGroup": ["logs", "log-group:"],
	"aws:cognito/userPool:UserPool": ["cognito-idp", "userpool/"],
	"aws:lambda/function:Function": ["lambda", "function:"],
	"aws:scheduler/schedule:Schedule": ["scheduler", "schedule/default/"],
	"aws:sfn/stateMachine:StateMachine": ["states", "stateMachine:"],
	"aws:sns/topic:Topic": ["sns", ""],
	"aws:sqs/queue:Queue": ["sqs", ""],
};

/** What the AWS provider would answer when it has made a resource: ids and ARNs as AWS's. */
function provide(
	type: string,
	name: string,
	inputs: Record<string, unknown>,
	{ region, endpoint }: { region: string; endpoint: string },
): { id: string; arn: string; endpoint?: string; url?: string; streamArn?: string } {
	const [, module = "", kind = ""] = /^\w+:(\w+)\/(\w+):/.exec(type) ?? [];
	const [service, path] = ARN_PATHS[type] ?? [module, `${kind}/`];
	const where = `arn:aws:${service}:${service === "iam" ? "" : region}:${ACCOUNT}:${path}`;
	switch (kind) {
		case "userPool": {
			const id = `${region}_${digest(name).slice(0, 9).toUpperCase()}`;
			return { id, arn: `${where}${id}`, endpoint: `cognito-idp.${region}.amazonaws.com/${id}` };
		}
		case "userPoolClient":
			return { id: digest(name).slice(0, 26), arn: "" };
		case "eventRule": {
			const bus = inputs.eventBusName ?? "default";
			const id = bus === "default" ? name : `${bus}/${name}`;
			return { id, arn: `${where}${id}` };
		}
		case "queue": {
			const url = `${endpoint}/${ACCOUNT}/${name}`;
			return { id: url, arn: `${where}${name}`, url };
		}
		case "table": {
			const arn = `${where}${name}`;
			return { id: name, arn, ...(inputs.streamEnabled === true && { streamArn: streamArn(arn) }) };
		}
		default:
			return { id: name, arn: `${where}${name}` };
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
	switch (token.split(":").at(-1)) {
		case "getRegion":
			return { id: region, name: region, region };
		case "getCallerIdentity":
			return { id: ACCOUNT, accountId: ACCOUNT, userId: "local" };
		case "getPartition":
			return { id: "aws", partition: "aws", dnsSuffix: "amazonaws.com" };
	}
	throw new pulumi.RunError(
		`The program asks AWS for ${token}, which the embedded stack cannot answer: teach local/evaluate.ts to.`,
	);
}
