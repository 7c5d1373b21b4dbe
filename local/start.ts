import { once } from "node:events";
import { inspect, parseArgs, styleText } from "node:util";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import * as pulumi from "@pulumi/pulumi";
import { createUsers } from "../domain";
import { People } from "../testing/people";
import { type Stack, startStack } from "./stack";

const USAGE = "npm start [-- [--once] [--port <number>]]";
/** Where other emulators of AWS are, too, so that tools know it. */
const DEFAULT_PORT = "4566";

const paint: typeof styleText = (format, text) =>
	process.stdout.isTTY && process.stdout.hasColors() ? styleText(format, text) : text;

main().catch((error: unknown) => {
	// A wrong setting or a port in use is told in a sentence; anything else is a defect.
	console.error(pulumi.RunError.isInstance(error) ? error.message : error);
	process.exitCode = 1;
});

/** Starts the embedded stack, shows what it does, and serves it until Ctrl-C. */
async function main(): Promise<void> {
	const options = readArguments();
	if (!options) return;
	// Node.js 20 is supported here; the SDK's advice to leave it is not for whoever runs this.
	process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
	const stopped = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
	const begun = performance.now();
	const stack = await startStack({ port: options.port });
	try {
		tellWhatRuns(stack, performance.now() - begun);
		if (!(await demonstrate(stack))) process.exitCode = 1;
		if (options.once) return;
		tellHowToReach(stack);
		await stopped;
	} finally {
		await stack.close();
	}
}

/** What was asked for; undefined if that was help, or, once it has said so, is not understood. */
function readArguments(): { once: boolean; port: number } | undefined {
	try {
		const { values } = parseArgs({
			options: {
				once: { type: "boolean", default: false },
				port: { type: "string", default: DEFAULT_PORT },
				help: { type: "boolean", short: "h", default: false },
			},
		});
		if (values.help) {
			console.log(`Usage: ${USAGE}`);
			return undefined;
		}
		const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : Number.NaN;
		if (port <= 65535) return { once: values.once, port };
		throw new Error(`--port takes a number up to 65535, not '${values.port}'`);
	} catch (error) {
		// Only the first sentence of parseArgs is about what was written.
		const [problem] = String(Object(error).message).split(". ");
		console.error(`${problem}; usage: ${USAGE}`);
		process.exitCode = 2;
		return undefined;
	}
}

function tellWhatRuns({ program, notRun }: Stack, milliseconds: number): void {
	const count = program.resources.length;
	console.log(`The program declares ${count} resources; up in ${Math.round(milliseconds)} ms.`);
	const kinds = notRun.resources.map((type) => type.split(":").at(-1));
	console.log(paint("dim", `Declared, and not run here: ${kinds.join(", ")}.`));
	if (notRun.outputs.length > 0) {
		console.log(paint("dim", `Outputs that only AWS can give: ${notRun.outputs.join(", ")}.`));
	}
	console.log();
}

/** Lets one person sign up and in, step by step. Resolves with whether every step held. */
async function demonstrate(stack: Stack): Promise<boolean> {
	const people = new People(stack);
	const client = new DynamoDBClient(stack.clientOptions);
	const users = createUsers({ tableName: String(stack.outputs.tableName), client });
	const email = "Ada@Example.com";
	let sub = "";
	let userId = "";

	const steps: Record<string, () => Promise<string>> = {
		[`${email} signs up`]: async () => {
			sub = await people.signUp(email, { name: "Ada Lovelace" });
			return `sub ${sub}`;
		},
		"confirms with the code from the mail": async () => {
			await people.confirm(email);
			await stack.settled();
			return `code ${stack.codeFor(email)}`;
		},
		"the event was on the bus": async () => {
			const event = stack.events().find(({ detail }) => JSON.stringify(detail).includes(sub));
			if (!event) throw new Error("there was none");
			const { source, "detail-type": type, detail } = event;
			return shown({ source, "detail-type": type, detail });
		},
		"the profile is in the table": async () => {
			const key = { PK: `USER#${sub}`, SK: "PROFILE" };
			const { Item } = await DynamoDBDocumentClient.from(client).send(
				new GetCommand({ TableName: stack.outputs.tableName, Key: key }),
			);
			if (!Item) throw new Error("it is not");
			return shown(Item);
		},
		"users.findBySub(sub) finds it": async () => {
			const found = await users.findBySub(sub);
			if (found.isErr()) throw new Error(found.error.type);
			userId = found.value.userId;
			return `userId ${userId}`;
		},
		'users.findByEmail("ADA@example.COM") finds the same': async () => {
			const found = await users.findByEmail("ADA@example.COM");
			if (found.isErr()) throw new Error(found.error.type);
			if (found.value.userId !== userId) throw new Error(`it found ${found.value.userId}`);
			return `userId ${userId}`;
		},
		"signs in, and the ID token carries the userId": async () => {
			const claim = (await people.signIn(email))["custom:userId"];
			await stack.settled();
			if (claim !== userId) throw new Error(`its custom:userId is ${claim}, not ${userId}`);
			return `custom:userId ${claim}`;
		},
	};

	for (const [what, run] of Object.entries(steps)) {
		try {
			const result = await run();
			console.log(`${paint("green", "✔")} ${what}\n  ${paint("dim", result)}`);
		} catch (error) {
			console.log(`${paint("red", "✖")} ${what}: ${Object(error).message}`);
			return false; // each step needs those before it
		}
	}
	return true;
}

/** A value for people to read, under the line that it belongs to. */
const shown = (value: object) =>
	inspect(value, { breakLength: 100, depth: 4 }).replaceAll("\n", "\n  ");

function tellHowToReach({ endpoint, clientOptions, outputs }: Stack): void {
	const variables = {
		AWS_ENDPOINT_URL: endpoint,
		AWS_REGION: clientOptions.region,
		AWS_ACCESS_KEY_ID: clientOptions.credentials.accessKeyId,
		AWS_SECRET_ACCESS_KEY: clientOptions.credentials.secretAccessKey,
		...outputs,
	};
	const lines = Object.entries(variables).map(([name, value]) => `  export ${name}=${value}`);
	console.log(`
All of AWS is at one endpoint. For any AWS SDK or CLI:

${lines.join("\n")}

  aws dynamodb scan --table-name ${outputs.tableName}

Reconcile, in another terminal, after these exports:

  npm run reconcile -- --user-pool-id ${outputs.userPoolId} --table ${outputs.tableName} --region ${clientOptions.region} --endpoint ${endpoint}

Ctrl-C stops it, and forgets everything.`);
}
