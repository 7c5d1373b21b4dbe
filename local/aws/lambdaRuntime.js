// One execution environment of a Lambda function: a plain Node.js process that holds nothing but the
// function's own files and environment, and takes one event at a time from `lambda.ts`.
const { resolve } = require("node:path");
const { format } = require("node:util");

process.on("disconnect", () => process.exit()); // the stack is gone, however it ended

let requestId;

// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-logging.html, in JSON; the way that answers go, so that no line
// arrives after the answer that it came before.
for (const level of ["debug", "error", "info", "log", "trace", "warn"]) {
	console[level] = (...values) => {
		const message = values.length === 1 ? values[0] : format(...values);
		const shown = level === "log" ? "INFO" : level.toUpperCase();
		const line = { timestamp: new Date(), level: shown, requestId, message };
		process.send({ log: JSON.stringify(line, (_, value) => errorAsJson(value)) });
	};
}

const [file, method] = process.env._HANDLER.split(".");
const loading = (async () => require(resolve(process.env.LAMBDA_TASK_ROOT, file))[method])();

process.on("message", async ({ event, context, deadline }) => {
	requestId = context.awsRequestId;
	try {
		const handler = await loading;
		const getRemainingTimeInMillis = () => deadline - Date.now();
		const answer = await handler(event, { ...context, getRemainingTimeInMillis });
		process.send({ failed: false, payload: JSON.stringify(answer) ?? "null" });
	} catch (error) {
		console.error(error);
		const known = error instanceof Error ? error : new Error(String(error));
		const { stackTrace: trace, ...told } = errorAsJson(known);
		process.send({ failed: true, payload: JSON.stringify({ ...told, trace }) });
	}
});
loading.catch(() => {}).then(() => process.send({ ready: true }));

function errorAsJson(value) {
	if (!(value instanceof Error)) return value;
	const { name, message, stack = "" } = value;
	return { errorType: name, errorMessage: message, stackTrace: stack.split("\n") };
}
