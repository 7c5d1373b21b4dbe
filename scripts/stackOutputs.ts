import { execFile } from "node:child_process";
import { join } from "node:path";
import { err, ok, type Result, ResultAsync } from "neverthrow";
import { tellWaiting } from "./firstAnswer";

/** Those outputs of a stack that have been asked for. */
export type StackOutputs<Name extends string> = Readonly<Record<Name, string>>;

/**
 * Reads some outputs of a stack with the pulumi that is on the PATH; `npm run` puts this project's own there.
 *
 * @returns one sentence that says what is wrong and what to do, where there is no pulumi, it fails, or an output is missing
 */
export function readStackOutputs<Name extends string>(
	stack: string,
	names: readonly Name[],
): ResultAsync<StackOutputs<Name>, string> {
	const run = new Promise<string>((resolve, reject) => {
		execFile(
			"pulumi",
			["stack", "output", "--json", "--non-interactive", "--stack", stack],
			{ cwd: join(__dirname, ".."), maxBuffer: 16 * 1024 * 1024 },
			(error, stdout, stderr) => {
				if (error) reject({ missing: error.code === "ENOENT", stderr });
				else resolve(stdout);
			},
		);
	});
	const answer = tellWaiting(`pulumi, which reads the outputs of the stack ${stack}`, run);
	return ResultAsync.fromPromise(answer, (failure) => {
		const { missing, stderr } = Object(failure);
		if (missing) {
			return "There is no pulumi on the PATH: run this with npm run, after npm ci, or install Pulumi.";
		}
		// The package pulumi downloads the program when it is first run, and prints its own failures so.
		if (/^Downloading pulumi/.test(stderr) && /^pulumi: /m.test(stderr)) {
			return `pulumi cannot be downloaded, as it is when it is first run (${lastLine(stderr)}): check the network, or say where without --stack.`;
		}
		return `pulumi cannot read the outputs of the stack ${stack}: ${lastLine(stderr)}`;
	}).andThen((json) => parse(stack, names, json));
}

function parse<Name extends string>(
	stack: string,
	names: readonly Name[],
	json: string,
): Result<StackOutputs<Name>, string> {
	let outputs: Record<string, unknown>;
	try {
		outputs = Object(JSON.parse(json));
	} catch {
		return err(`What pulumi says of the stack ${stack} is not JSON: is it of version 3?`);
	}
	const missing = names.filter((name) => typeof outputs[name] !== "string");
	if (missing.length > 0) {
		return err(
			`The stack ${stack} has no output ${missing.join(", ")}: run npx pulumi up --stack ${stack} first.`,
		);
	}
	// Object.fromEntries forgets the names.
	return ok(Object.fromEntries(names.map((name) => [name, outputs[name]])) as StackOutputs<Name>);
}

/** Of what pulumi prints when it fails, the line that says why. */
function lastLine(stderr: string): string {
	const lines = stderr.split("\n").filter((line) => line.trim() !== "");
	const why = lines.find((line) => line.startsWith("error: ")) ?? lines.at(-1) ?? "it says nothing";
	return why.trim().replace(/^(error|pulumi): /, "");
}
