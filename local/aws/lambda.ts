import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { type Call, type Endpoint, parseJson, ServiceError } from "../endpoint";
import { type Declared, declared, type Program } from "../program";
import { queueUrl } from "./sqs";

/** AWS runs up to a thousand at once; this machine has one person's tests to run. */
const MAXIMUM_ENVIRONMENTS = 10;
/** AWS waits one minute before it repeats an asynchronous invocation, then two. */
const RETRY_MS = 100;
const LOADING_LIMIT_MS = 10_000;

type Declaration = Declared<"aws:lambda/function:Function">;

/**
 * Lambda with the declared functions, each run from the archive that would be uploaded, in processes
 * of its own.
 *
 * @param directory - where to unpack the archives.
 * @returns the service; `logGroupOf` and `kill`, which take a function's logical name; and `close`.
 * Rejects with `pulumi.RunError` if this machine cannot run a function.
 */
export async function startLambda(program: Program, endpoint: Endpoint, directory: string) {
	const functions = new Map<string, LambdaFunction>();
	for (const declaration of declared(program, "aws:lambda/function:Function")) {
		const taskRoot = join(directory, declaration.physicalName);
		await unpack(declaration, taskRoot, program.directory);
		const added = new LambdaFunction(declaration, taskRoot, endpoint);
		functions.set(declaration.physicalName, added);
	}
	for (const { inputs } of declared(
		program,
		"aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
	)) {
		const destination = inputs.destinationConfig?.onFailure?.destination;
		const configured = functions.get(nameOf(inputs.functionName));
		if (!configured) continue;
		configured.retries = inputs.maximumRetryAttempts ?? configured.retries;
		if (destination !== undefined) configured.deadLetters = queueUrl(program, destination);
	}

	async function invokeAsynchronously(invoked: LambdaFunction, event: unknown, requestId: string) {
		let outcome = await invoked.invoke(event, requestId);
		let count = 1;
		for (; outcome.failed && count <= invoked.retries; count++) {
			await endpoint.pause(RETRY_MS * count);
			outcome = await invoked.invoke(event, requestId);
		}
		if (!outcome.failed || invoked.deadLetters === undefined) return;
		const record = failureRecord(invoked.declaration, requestId, count, event, outcome);
		const body = { QueueUrl: invoked.deadLetters, MessageBody: JSON.stringify(record) };
		await invoked.call("sqs", "SendMessage", body);
	}

	const named = (name: string) =>
		[...functions.values()].find(({ declaration }) => declaration.name === name);

	return {
		async service({ body }: Call): Promise<object> {
			// Only Invoke comes here, and its body is written in this directory, not by a client.
			const request = body as { FunctionName: string; InvocationType?: string; Payload: string };
			const invoked = functions.get(nameOf(request.FunctionName));
			if (!invoked) {
				const message = `Function not found: ${request.FunctionName}`;
				throw new ServiceError("ResourceNotFoundException", message, 404);
			}
			const event = parseJson(request.Payload);
			const requestId = randomUUID();
			if (request.InvocationType === "Event") {
				endpoint.inBackground(() => invokeAsynchronously(invoked, event, requestId));
				return { StatusCode: 202 };
			}
			const { failed, payload } = await invoked.invoke(event, requestId);
			return { StatusCode: 200, FunctionError: failed ? "Unhandled" : undefined, Payload: payload };
		},

		logGroupOf: (name: string): string => named(name)?.logGroup ?? "",
		kill: async (name: string): Promise<void> => named(name)?.kill(),

		async close(): Promise<void> {
			await Promise.all([...functions.values()].map((each) => each.close()));
		},
	};
}

/** One declared function and the execution environments that it has, warm or busy. */
class LambdaFunction {
	readonly logGroup: string;
	/** How often a failed asynchronous invocation is repeated, and where it goes in the end. */
	retries = 2;
	deadLetters: string | undefined;
	private readonly environments = new Set<Environment>();
	private readonly idle: Environment[] = [];
	private readonly waiting: (() => void)[] = [];
	private closed = false;

	constructor(
		readonly declaration: Declaration,
		readonly taskRoot: string,
		readonly endpoint: Endpoint,
	) {
		const { inputs, physicalName } = declaration;
		this.logGroup = inputs.loggingConfig?.logGroup ?? `/aws/lambda/${physicalName}`;
	}

	/** What Lambda itself does with the function's role; it tells nobody when that fails. */
	async call(service: "logs" | "sqs", operation: string, body: object): Promise<void> {
		const caller = this.declaration.name;
		await this.endpoint.call({ service, operation, body, caller }).catch(() => undefined);
	}

	/** Hands one event to a warm environment, to a new one, or to the first that becomes free. */
	async invoke(event: unknown, requestId: string): Promise<Outcome> {
		while (this.idle.length === 0 && this.environments.size >= MAXIMUM_ENVIRONMENTS) {
			await new Promise<void>((free) => this.waiting.push(free));
		}
		if (this.closed) throw new ServiceError("ServiceException", "The stack is closing.", 500);
		const environment = this.idle.pop() ?? startEnvironment(this);
		this.environments.add(environment);
		const outcome = await environment.run(event, requestId);
		if (environment.alive()) this.idle.push(environment);
		else this.environments.delete(environment);
		this.waiting.shift()?.();
		return outcome;
	}

	async kill(): Promise<void> {
		const killed = [...this.environments];
		this.environments.clear();
		this.idle.length = 0;
		await Promise.all(killed.map((environment) => environment.stop()));
	}

	async close(): Promise<void> {
		this.closed = true;
		for (const free of this.waiting) free();
		await this.kill();
	}
}

interface Outcome {
	failed: boolean;
	/** What the function returned, or the error that it ended with, as JSON. */
	payload: string;
}

/** What `lambdaRuntime.js` sends: that it is ready, a line of the log, or what an event came to. */
type Message = { log?: string; answer?: string; failure?: string };

type Environment = ReturnType<typeof startEnvironment>;

/** Starts a process that holds one function, and takes one event at a time. */
function startEnvironment(place: LambdaFunction) {
	const { declaration, taskRoot, logGroup: logGroupName } = place;
	const { inputs, physicalName: functionName, arn: invokedFunctionArn } = declaration;
	const seconds = inputs.timeout ?? 3;
	const child = fork(join(__dirname, "lambdaRuntime.js"), {
		cwd: taskRoot,
		env: variables(place),
		execArgv: [],
		stdio: ["ignore", "pipe", "pipe", "ipc"],
	});
	let alive = true;
	let receive = (_: Message) => {};
	const nextMessage = () => new Promise<Message>((resolve) => (receive = resolve));
	const ready = nextMessage();
	const closed = once(child, "close");
	const exited = once(child, "exit").then(([code, signal]) => {
		alive = false;
		return code === null ? `signal: ${signal}` : `exit status ${code}`;
	});
	const stream = { logGroupName, logStreamName: randomUUID() };
	place.call("logs", "CreateLogStream", stream);
	const log = (text: string | Buffer) => {
		const lines = String(text).trimEnd().split("\n");
		const logEvents = lines.map((message) => ({ message, timestamp: Date.now() }));
		place.call("logs", "PutLogEvents", { ...stream, logEvents });
	};
	child.stdout?.on("data", log);
	child.stderr?.on("data", log);
	child.on("message", (message: Message) => {
		if (message.log === undefined) receive(message);
		else log(message.log);
	});

	function kill() {
		alive = false;
		child.kill("SIGKILL");
		return "late" as const;
	}

	/** What the process sends, how it ended, or, when it has taken too long and is stopped, "late". */
	async function within(milliseconds: number, message: Promise<Message>) {
		let timer: NodeJS.Timeout | undefined;
		const late = new Promise<"late">((resolve) => {
			timer = setTimeout(() => resolve(kill()), milliseconds);
		});
		return Promise.race([message, exited, late]).finally(() => clearTimeout(timer));
	}

	return {
		/** Runs the function on an event, and stops the process when that takes longer than declared. */
		async run(event: unknown, awsRequestId: string): Promise<Outcome> {
			const fail = (errorType: string, error: string): Outcome => {
				const errorMessage = `RequestId: ${awsRequestId} Error: ${error}`;
				log(errorMessage);
				return { failed: true, payload: JSON.stringify({ errorType, errorMessage }) };
			};
			await within(LOADING_LIMIT_MS, ready);
			const answered = nextMessage();
			const context = { awsRequestId, functionName, invokedFunctionArn };
			const deadline = Date.now() + seconds * 1000;
			if (alive) child.send({ event, context, deadline });
			const answer = await within(seconds * 1000, answered);
			if (answer === "late") {
				return fail("Sandbox.Timedout", `Task timed out after ${seconds.toFixed(2)} seconds`);
			}
			if (typeof answer === "string") {
				return fail("Runtime.ExitError", `Runtime exited with error: ${answer}`);
			}
			const { answer: payload = "null", failure } = answer;
			return { failed: failure !== undefined, payload: failure ?? payload };
		},

		/** Whether it can take another event. */
		alive: () => alive,

		async stop(): Promise<void> {
			kill();
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
		AWS_LAMBDA_FUNCTION_NAME: physicalName,
		AWS_LAMBDA_LOG_FORMAT: inputs.loggingConfig?.logFormat ?? "Text",
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

/** What Lambda sends to the destination of an asynchronous invocation that failed for good. */
function failureRecord(
	{ arn }: Declaration,
	requestId: string,
	approximateInvokeCount: number,
	requestPayload: unknown,
	{ payload }: Outcome,
) {
	const functionArn = `${arn}:$LATEST`;
	const condition = "RetriesExhausted";
	return {
		version: "1.0",
		timestamp: new Date(),
		requestContext: { requestId, functionArn, condition, approximateInvokeCount },
		requestPayload,
		responseContext: { statusCode: 200, executedVersion: "$LATEST", functionError: "Unhandled" },
		responsePayload: JSON.parse(payload),
	};
}

/** A function may be named by its name or its ARN, with or without a version. */
export function nameOf(reference: string): string {
	return reference.replace(/^.*function:/, "").replace(/:.*$/, "");
}

/** Puts a function's files where Lambda would, and refuses what cannot be run here. */
async function unpack({ name, inputs }: Declaration, taskRoot: string, programDirectory: string) {
	const refuse = (why: string) =>
		new pulumi.RunError(
			`The embedded stack cannot run the function ${name}, because ${why}: change that, or teach local/lambda.ts to run it.`,
		);
	if (!inputs.runtime?.startsWith("nodejs")) throw refuse(`its runtime is ${inputs.runtime}`);

	async function place(content: unknown, target: string): Promise<void> {
		const { asset } = pulumi;
		await mkdir(dirname(target), { recursive: true });
		if (content instanceof asset.AssetArchive) {
			const entries = Object.entries(await content.assets);
			await Promise.all(entries.map(([path, entry]) => place(entry, join(target, path))));
		} else if (content instanceof asset.StringAsset) {
			await writeFile(target, await content.text);
		} else if (content instanceof asset.FileAsset || content instanceof asset.FileArchive) {
			const source = resolve(programDirectory, await content.path);
			if (source.endsWith(".zip")) throw refuse("its code is a zip file");
			await cp(source, target, { recursive: true });
		} else throw refuse("its code is not on this machine");
	}
	await place(inputs.code, taskRoot);
}
