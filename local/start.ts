import { once } from "node:events";
import { styleText } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { demonstrate } from "./demonstration";
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
	// A wrong setting or a port in use is told in a sentence; anything else is a defect.
	console.error(pulumi.RunError.isInstance(error) ? error.message : error);
	process.exitCode = 1;
});

/** Starts the embedded stack, shows what it does, and serves it until Ctrl-C. */
async function main(): Promise<void> {
	const flags = readFlags();
	// Node.js 20 is supported here; the SDK's advice to leave it is not for whoever runs this.
	process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
	const stopped = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
	const begun = performance.now();
	const stack = await startStack({ port: flags.port });
	try {
		tellWhatRuns(stack, performance.now() - begun);
		if (!(await demonstrate(stack))) process.exitCode = 1;
		if (flags.once) return;
		tellHowToReach(stack);
		await stopped;
	} finally {
		await stack.close();
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

function tellWhatRuns({ program, notRun }: Stack, milliseconds: number): void {
	const count = program.resources.length;
	const mode = declared(program, "aws:lambda/function:Function").find(
		({ name }) => name === "postConfirmation",
	)?.inputs.environment?.variables?.WRITE_MODE;
	const how = mode === undefined ? "" : `, in write mode ${mode}`;
	console.log(
		`The program declares ${count} resources${how}; up in ${Math.round(milliseconds)} ms.`,
	);
	const kinds = notRun.resources.map((type) => type.split(":").at(-1));
	for (const [what, names] of [
		["Declared, and not run here", kinds],
		["Outputs that only AWS can give", notRun.outputs],
	] as const) {
		if (names.length > 0) console.log(styleText("dim", `${what}: ${names.join(", ")}.`));
	}
	console.log();
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
	console.log(`
What runs here of AWS is at one endpoint. For any AWS SDK or CLI:

${lines.join("\n")}

  aws dynamodb scan --table-name ${outputs.tableName}

Reconcile, in another terminal, after these exports:

  npm run reconcile -- --user-pool-id ${outputs.userPoolId} --table ${outputs.tableName} --region ${region} --endpoint ${endpoint}

Ctrl-C stops it, and forgets everything.`);
}

/** A value as a shell takes it. */
const quoted = (value: string) =>
	/^[\w:/.@-]*$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
