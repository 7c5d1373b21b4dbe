import { once } from "node:events";
import { styleText } from "node:util";
import { RunError } from "@pulumi/pulumi/errors";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import type { Mail } from "./aws/cognitoMails";
import { demonstrate } from "./demonstration";
import { bringNodejs, findNodejs, isVersionOf } from "./nodejs";
import { servePage } from "./page/page";
import { declared } from "./program";
import { type Stack, startStack } from "./stack";

interface Flags {
	readonly once?: true;
	readonly port: number;
}

main().catch((error: unknown) => {
	if (error instanceof CommanderError) {
		process.exitCode = error.exitCode === 0 ? 0 : 2;
		return;
	}
	// A wrong setting or a port that is not to be had is told in a sentence; anything else is a defect.
	console.error(RunError.isInstance(error) ? error.message : error);
	process.exitCode = 1;
});

/** Starts the embedded stack, shows what it does, and serves it until it is told to stop. */
async function main(): Promise<void> {
	const flags = readFlags();
	// Node.js 20 is supported here; the SDK's advice to leave it is not for whoever runs this.
	process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
	// Should it be stopped before it is up.
	process.exitCode = 1;
	const stop = stopSignal();
	const stopped = once(stop, "abort");
	const begun = performance.now();
	const stack = await startStack({ port: flags.port, nodejsFor });
	try {
		if (stop.aborted) return;
		// What --once shall show it has not shown, should it be stopped before.
		if (!flags.once) process.exitCode = 0;
		stack.onMail(tellMail);
		servePage(stack);
		tellWhatRuns(stack, performance.now() - begun);
		const shown = demonstrate(stack, (text) => {
			// It goes on while the stack closes, and would tell that nothing answers it.
			if (!stop.aborted) console.log(text);
		});
		const held = await Promise.race([stopped, shown]);
		if (stop.aborted) return;
		tellErrors(stack);
		process.exitCode = held ? 0 : 1;
		if (flags.once) return;
		tellHowToReach(stack);
		await stopped;
	} finally {
		await stack.close();
		// A demonstration that was stopped would go on even now.
		if (stop.aborted) process.exit();
	}
}

/** The Node.js that a runtime is, brought here the first time that it is needed. */
function nodejsFor(runtime: string) {
	const found = findNodejs(runtime);
	if (found) return found;
	const timer = setTimeout(() => console.log(`Getting the Node.js of ${runtime}, once ...`), 2_000);
	return bringNodejs(runtime).finally(() => clearTimeout(timer));
}

/** Aborts once Ctrl-C, a signal or a closed terminal says so, nobody reads what is printed, or npm is gone. */
function stopSignal(): AbortSignal {
	const controller = new AbortController();
	const stop = () => controller.abort();
	// For good, and not once: a terminal and npm may both tell of one Ctrl-C.
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);
	for (const stream of [process.stdout, process.stderr]) stream.on("error", stop);
	// A signal that npm gets it sends to the shell that it has started, which may end and pass nothing on.
	const shell = process.ppid;
	if (process.env.npm_lifecycle_event !== undefined) {
		setInterval(() => isRunning(shell) || stop(), 500).unref();
	}
	return controller.signal;
}

function isRunning(processId: number): boolean {
	try {
		return process.kill(processId, 0);
	} catch {
		return false;
	}
}

/** Reads the arguments. Throws what is wrong with them; commander has then said it. */
function readFlags(): Flags {
	return (
		new Command("npm start --")
			.description("Runs the Pulumi program on this machine, and shows a sign-up.")
			.option("--once", "stop after the demonstration; the exit status is 0 if every step held")
			// Where other emulators of AWS are, too, so that tools know it.
			.option("--port <number>", "where to listen; 0 for any free port", toPort, 4566)
			.allowExcessArguments(false)
			.exitOverride()
			.configureOutput({
				outputError: (message, write) => {
					const [first = ""] = message.replace("error: ", "").replace(". ", ": ").split("\n");
					write(`${first.charAt(0).toUpperCase()}${first.slice(1)}; see npm start -- --help.\n`);
				},
			})
			.parse()
			.opts<Flags>()
	);
}

function toPort(text: string): number {
	if (/^\d{1,5}$/.test(text) && Number(text) <= 65535) return Number(text);
	throw new InvalidArgumentError("it must be a number up to 65535");
}

function tellWhatRuns({ program, nodejs, notRun }: Stack, milliseconds: number): void {
	const count = program.resources.length;
	const mode = declared(program, "aws:lambda/function:Function").find(
		({ name }) => name === "postConfirmation",
	)?.inputs.environment?.variables?.WRITE_MODE;
	const how = mode === undefined ? "" : `, in write mode ${mode}`;
	console.log(
		`The program declares ${count} resources${how}; up in ${Math.round(milliseconds)} ms.`,
	);
	for (const [runtime, { version }] of nodejs) {
		const instead = isVersionOf(runtime, version) ? "" : ", which npm cannot bring here";
		console.log(styleText("dim", `Functions of ${runtime}${instead} run on Node.js ${version}.`));
	}
	const kinds = notRun.resources.map((type) => type.split(":").at(-1));
	for (const [what, names] of [
		["Declared, and not run here", kinds],
		["Outputs that only AWS can give", notRun.outputs],
	] as const) {
		if (names.length > 0) console.log(styleText("dim", `${what}: ${names.join(", ")}.`));
	}
	console.log();
}

const PURPOSES: Record<Mail["kind"], string> = {
	AdminCreateUser: "is the temporary password",
	Authentication: "to sign in",
	ForgotPassword: "to set a new password",
	ResendCode: "to confirm the sign-up",
	SignUp: "to confirm the sign-up",
	UpdateUserAttribute: "to verify the change",
	VerifyUserAttribute: "to verify the address",
};

function tellMail({ to, kind, code }: Mail): void {
	console.log(`${styleText("cyan", "✉")} ${to}: ${code} ${PURPOSES[kind]}`);
}

/** Shows the last errors that each function has logged. */
function tellErrors({ program, logs }: Stack): void {
	for (const { name } of declared(program, "aws:lambda/function:Function")) {
		const errors = logs(name).flatMap((line) => errorIn(line) ?? []);
		if (errors.length > 0) console.log([`${name} has logged:`, ...errors.slice(-3)].join("\n  "));
	}
}

/** What a line of a function's log says, if it is an error; of its trace, nothing. */
function errorIn(line: string): string | undefined {
	try {
		const { level, message } = Object(JSON.parse(line));
		if (level !== "ERROR") return undefined;
		return JSON.stringify(message, (key, value) => (key === "stackTrace" ? undefined : value));
	} catch {
		return line; // of Lambda itself, as when it has stopped the function, or of a process that has crashed
	}
}

function tellHowToReach({ endpoint, clientOptions, outputs }: Stack): void {
	const { region, credentials } = clientOptions;
	const variables = {
		AWS_ENDPOINT_URL: endpoint,
		AWS_REGION: region,
		AWS_DEFAULT_REGION: region, // which AWS CLI v1 and boto3 read
		AWS_ACCESS_KEY_ID: credentials.accessKeyId,
		AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
		...outputs,
	};
	const lines = Object.entries(variables).map(
		([name, value]) => `  export ${name}=${quoted(value)}`,
	);
	const place = `--table ${outputs.tableName} --region ${region} --endpoint ${endpoint}`;
	console.log(`
What runs here of AWS is at one endpoint. For any AWS SDK or CLI (aws sqs of CLI 1 needs --endpoint-url too):

${lines.join("\n")}

  aws dynamodb scan --table-name ${outputs.tableName}

Verify, or reconcile, in another terminal, after these exports:

  npm run verify -- --user-pool-id ${outputs.userPoolId} --client-id ${outputs.userPoolClientId} ${place}
  npm run reconcile -- --user-pool-id ${outputs.userPoolId} ${place}

See it: ${endpoint}/

Ctrl-C stops it, and forgets everything.`);
}

/** A value as a shell takes it. */
const quoted = (value: string) =>
	/^[\w:/.@-]*$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
