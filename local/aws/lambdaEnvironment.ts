import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import type { LambdaFunction } from "./lambda";

const LOADING_LIMIT_MS = 10_000;

export interface Outcome {
	failed: boolean;
	/** What the function returned, or the error that it ended with, as JSON. */
	payload: string;
}

/** What `lambdaRuntime.js` sends: that it is ready, a line of the log, or what an event came to. */
type Message = { log?: string; answer?: string; failure?: string };

export type Environment = ReturnType<typeof startEnvironment>;

/** Starts a process that holds one function, and takes one event at a time. */
export function startEnvironment(place: LambdaFunction) {
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
