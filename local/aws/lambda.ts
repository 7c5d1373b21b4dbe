import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { AssetArchive, StringAsset } from "@pulumi/pulumi/asset";
import { RunError } from "@pulumi/pulumi/errors";
import { type Call, type Endpoint, parseJson, ServiceError } from "../endpoint";
import { type Nodejs, ownNodejs } from "../nodejs";
import { type Declared, declared, type Program } from "../program";

/** AWS runs up to a thousand at once; this machine has one person's tests to run. */
const MAXIMUM_ENVIRONMENTS = 10;

/** So many of a function may start at once; more than there are processors would only be late together. */
const MAXIMUM_STARTING = availableParallelism();

/** An asynchronous invocation is tried three times in all; AWS waits one minute before it repeats it, then two. */
const ATTEMPTS = 3;
const RETRY_MS = 100;

type Declaration = Declared<"aws:lambda/function:Function">;

/** What an invocation came to, as `lambdaRuntime.js` tells it. */
interface Outcome {
	failed: boolean;
	/** What the function returned, or the error that it ended with, as JSON. */
	payload: string;
}

/**
 * Lambda with the declared functions, each run from the archive that would be uploaded, in processes
 * of its own.
 *
 * @param directory - where to unpack the archives.
 * @param nodejsFor - the Node.js that a runtime is; where there is none, the one that runs this is taken.
 * @returns the service; `logGroupOf` and `kill`, which take a function's logical name; `nodejs`, the Node.js that runs the
 * functions of each runtime; and `close`. Rejects with `pulumi.RunError` if this machine cannot run a function.
 */
export async function startLambda(
	program: Program,
	endpoint: Endpoint,
	directory: string,
	nodejsFor: (runtime: string) => Nodejs | undefined | Promise<Nodejs | undefined>,
) {
	const nodejs = new Map<string, Nodejs>();
	for (const { inputs } of declared(program, "aws:lambda/function:Function")) {
		const { runtime = "" } = inputs;
		if (!nodejs.has(runtime)) nodejs.set(runtime, (await nodejsFor(runtime)) ?? ownNodejs);
	}
	const functions = await Promise.all(
		declared(program, "aws:lambda/function:Function").map(async (declaration) => {
			const taskRoot = join(directory, declaration.physicalName);
			await unpack(declaration, taskRoot);
			const { path } = nodejs.get(declaration.inputs.runtime ?? "") ?? ownNodejs;
			return new LambdaFunction(declaration, taskRoot, endpoint, path);
		}),
	);
	const named = (name: string) => functions.find(({ declaration }) => declaration.name === name);

	return {
		async service({ body }: Call): Promise<object> {
			// Only Invoke comes here, and its body is written in this directory, not by a client.
			const request = body as { FunctionName: string; InvocationType?: string; Payload: string };
			const invoked = functions.find(
				({ declaration }) => declaration.physicalName === nameOf(request.FunctionName),
			);
			if (!invoked) {
				const message = `Function not found: ${request.FunctionName}`;
				throw new ServiceError("ResourceNotFoundException", message, 404);
			}
			const event = parseJson(request.Payload);
			if (request.InvocationType === "Event") {
				endpoint.inBackground(() => invoked.invokeAsynchronously(event, randomUUID()));
				return { StatusCode: 202 };
			}
			const { failed, payload } = await invoked.invoke(event, randomUUID());
			return { StatusCode: 200, FunctionError: failed ? "Unhandled" : undefined, Payload: payload };
		},

		logGroupOf: (name: string): string => named(name)?.logGroup ?? "",
		nodejs,
		kill: async (name: string): Promise<void> => named(name)?.kill(),

		async close(): Promise<void> {
			await Promise.all(functions.map((each) => each.close()));
		},
	};
}

/** One declared function and the execution environments that it has, warm or busy. */
class LambdaFunction {
	readonly logGroup: string;
	private readonly environments = new Set<Environment>();
	private idle: Environment[] = [];
	private starting = 0;
	private readonly waiting: (() => void)[] = [];
	private closed = false;

	constructor(
		readonly declaration: Declaration,
		readonly taskRoot: string,
		readonly endpoint: Endpoint,
		/** The Node.js that runs it. */
		readonly execPath: string,
	) {
		const { inputs, physicalName } = declaration;
		this.logGroup = inputs.loggingConfig?.logGroup ?? `/aws/lambda/${physicalName}`;
	}

	/** Lambda itself writes the logs, with the function's role; it tells nobody when that fails. */
	async log(operation: "CreateLogStream" | "PutLogEvents", body: object): Promise<void> {
		const caller = this.declaration.name;
		await this.endpoint.call({ service: "logs", operation, body, caller }).catch(() => undefined);
	}

	/** Hands one event to a warm environment, to a new one, or to the first that becomes free. */
	async invoke(event: unknown, requestId: string): Promise<Outcome> {
		while (this.idle.length === 0 && !this.canStart()) {
			await new Promise<void>((free) => this.waiting.push(free));
		}
		if (this.closed) throw new ServiceError("ServiceException", "The stack is closing.", 500);
		const environment = this.idle.pop() ?? this.start();
		const outcome = await environment.run(event, requestId);
		if (environment.alive()) this.idle.push(environment);
		else this.environments.delete(environment);
		this.waiting.shift()?.();
		return outcome;
	}

	private canStart(): boolean {
		return this.environments.size < MAXIMUM_ENVIRONMENTS && this.starting < MAXIMUM_STARTING;
	}

	private start(): Environment {
		const environment = startEnvironment(this);
		this.environments.add(environment);
		this.starting++;
		environment.started.then(() => {
			this.starting--;
			this.waiting.shift()?.();
		});
		return environment;
	}

	/** Invokes until it succeeds, and gives up in the end. */
	async invokeAsynchronously(event: unknown, requestId: string): Promise<void> {
		for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
			if (attempt > 1) await this.endpoint.pause(RETRY_MS * (attempt - 1));
			if (!(await this.invoke(event, requestId)).failed) return;
		}
	}

	async kill(): Promise<void> {
		const killed = [...this.environments];
		this.environments.clear();
		this.idle = [];
		await Promise.all(killed.map((environment) => environment.stop()));
	}

	async close(): Promise<void> {
		this.closed = true;
		for (const free of this.waiting) free();
		await this.kill();
	}
}

type Environment = ReturnType<typeof startEnvironment>;

/** Starts a process that holds one function, and takes one event at a time. */
function startEnvironment(fn: LambdaFunction) {
	const { inputs, physicalName: functionName, arn: invokedFunctionArn } = fn.declaration;
	const seconds = inputs.timeout ?? 3;
	const child = fork(join(__dirname, "lambdaRuntime.js"), {
		cwd: fn.taskRoot,
		env: variables(fn),
		execPath: fn.execPath,
		execArgv: [],
		stdio: ["ignore", "pipe", "pipe", "ipc"],
	});
	const stream = { logGroupName: fn.logGroup, logStreamName: randomUUID() };
	fn.log("CreateLogStream", stream);
	const log = (text: string | Buffer) => {
		const lines = String(text).trimEnd().split("\n");
		const logEvents = lines.map((message) => ({ message, timestamp: Date.now() }));
		fn.log("PutLogEvents", { ...stream, logEvents });
	};
	child.stdout?.on("data", log);
	child.stderr?.on("data", log);
	let receive = (_: Outcome) => {};
	const nextMessage = () => new Promise<Outcome>((resolve) => (receive = resolve));
	const ready = nextMessage();
	child.on("message", (message: Outcome | { log: string }) =>
		"log" in message ? log(message.log) : receive(message),
	);
	const exited = once(child, "exit");
	const started = Promise.race([ready, exited]);
	const closed = once(child, "close");

	return {
		/** Resolves once it has loaded the function, or has ended. */
		started,
		/** Runs the function on an event, and stops the process when that takes longer than declared. */
		async run(event: unknown, awsRequestId: string): Promise<Outcome> {
			await started;
			const answered = nextMessage();
			const context = { awsRequestId, functionName, invokedFunctionArn };
			const deadline = Date.now() + seconds * 1000;
			child.send({ event, context, deadline }, () => {}); // a process that has ended answers nothing
			let late = false;
			const timer = setTimeout(() => (late = child.kill("SIGKILL")), seconds * 1000);
			const outcome = await Promise.race([answered, exited]);
			clearTimeout(timer);
			if (!Array.isArray(outcome)) return outcome;
			const [code, signal] = outcome;
			const how = code === null ? `signal: ${signal}` : `exit status ${code}`;
			const [errorType, error] = late
				? ["Sandbox.Timedout", `Task timed out after ${seconds.toFixed(2)} seconds`]
				: ["Runtime.ExitError", `Runtime exited with error: ${how}`];
			const errorMessage = `RequestId: ${awsRequestId} Error: ${error}`;
			log(errorMessage);
			return { failed: true, payload: JSON.stringify({ errorType, errorMessage }) };
		},

		/** Whether it can take another event. */
		alive: () => child.connected && !child.killed,

		async stop(): Promise<void> {
			child.kill("SIGKILL");
			await closed;
		},
	};
}

/** Nothing but what the program declares and Lambda sets. */
function variables({ declaration, taskRoot, endpoint }: LambdaFunction) {
	const { inputs, name, physicalName, arn } = declaration;
	const region = arn.split(":")[3];
	return {
		...inputs.environment?.variables,
		_HANDLER: inputs.handler,
		AWS_ACCESS_KEY_ID: name, // each function signs its calls with a key of its own
		AWS_ENDPOINT_URL: endpoint.url,
		AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "false", // or the SDK, as there is an endpoint, would look for this in files
		AWS_LAMBDA_FUNCTION_NAME: physicalName,
		AWS_REGION: region,
		AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
		AWS_SECRET_ACCESS_KEY: "local",
		AWS_SESSION_TOKEN: "local",
		HOME: taskRoot, // so that no SDK reads the developer's own ~/.aws
		LAMBDA_TASK_ROOT: taskRoot,
		PATH: process.env.PATH,
		TZ: ":UTC",
	};
}

/** A function may be named by its name or its ARN, with or without a version. */
export function nameOf(reference: string): string {
	return reference.replace(/^.*function:/, "").replace(/:.*$/, "");
}

/** Puts a function's files where Lambda would, and refuses what cannot be run here. */
async function unpack({ name, inputs }: Declaration, taskRoot: string): Promise<void> {
	const { code, runtime } = inputs;
	const files = code instanceof AssetArchive ? Object.entries(await code.assets) : [];
	if (!runtime?.startsWith("nodejs") || files.length === 0) throw cannotRun(name);
	for (const [path, asset] of files) {
		if (!(asset instanceof StringAsset)) throw cannotRun(name);
		await mkdir(dirname(join(taskRoot, path)), { recursive: true });
		await writeFile(join(taskRoot, path), await asset.text);
	}
}

const cannotRun = (name: string) =>
	new RunError(
		`The embedded stack cannot run the function ${name}, as it runs Node.js from an archive of texts alone: declare it with infra/bundledFunction.ts, or teach local/aws/lambda.ts to run it.`,
	);
