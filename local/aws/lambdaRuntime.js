// One execution environment of a Lambda function: a plain Node.js process that holds nothing but the
// function's own files and environment, and takes one event at a time from `lambda.ts`.
const { resolve } = require("node:path");
const { format } = require("node:util");

process.on("disconnect", () => process.exit()); // the stack is gone, however it ended

// Output goes the way that answers go, so that no line arrives after the answer that it came before.
for (const stream of [process.stdout, process.stderr]) {
	stream.write = (chunk, encoding, callback) => {
		process.send({ log: String(chunk) });
		(typeof encoding === "function" ? encoding : callback)?.();
		return true;
	};
}

let requestId;

// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-logging.html
if (process.env.AWS_LAMBDA_LOG_FORMAT === "JSON") {
	for (const level of ["debug", "error", "info", "log", "trace", "warn"]) {
		console[level] = (...values) => {
			const message = values.length === 1 ? values[0] : format(...values);
			const shown = level === "log" ? "INFO" : level.toUpperCase();
			const line = { timestamp: new Date(), level: shown, requestId, message };
			process.stdout.write(`${JSON.stringify(line, errorsAsText)}\n`);
		};
	}
}

let handler;
let loadError;
try {
	const [file, method] = process.env._HANDLER.split(".");
	handler = require(resolve(process.env.LAMBDA_TASK_ROOT, file))[method];
	if (typeof handler !== "function") throw new Error(`${process.env._HANDLER} is not a function`);
} catch (error) {
	loadError = error;
}

process.on("message", async ({ event, context, deadline }) => {
	requestId = context.awsRequestId;
	try {
		if (loadError) throw loadError;
		const getRemainingTimeInMillis = () => deadline - Date.now();
		const answer = await handle(event, { ...context, getRemainingTimeInMillis });
		process.send({ answer: JSON.stringify(answer) ?? "null" });
	} catch (error) {
		console.error(error);
		const { name = "Error", message = String(error), stack = "" } = Object(error);
		const failure = { errorType: name, errorMessage: message, trace: stack.split("\n") };
		process.send({ failure: JSON.stringify(failure) });
	}
});
process.send({ ready: true });

/** Calls the handler, whether it returns a promise or calls back. */
function handle(event, context) {
	return new Promise((resolve, reject) => {
		const callback = (error, answer) => (error ? reject(error) : resolve(answer));
		const returned = handler(event, context, callback);
		if (typeof returned?.then === "function") resolve(returned);
		else if (handler.length < 3) resolve(null);
	});
}

function errorsAsText(_key, value) {
	if (!(value instanceof Error)) return value;
	const { name, message, stack = "" } = value;
	return { errorType: name, errorMessage: message, stackTrace: stack.split("\n") };
}
