import { execFile } from "node:child_process";
import { join } from "node:path";
import { err, ok, type Result, ResultAsync } from "neverthrow";

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
	return ResultAsync.fromPromise(run, (failure) => {
		const { missing, stderr } = Object(failure);
		return missing
			? "There is no pulumi on the PATH: run this with npm run, after npm ci, or install Pulumi."
			: `pulumi cannot read the outputs of the stack ${stack}: ${lastLine(stderr)}`;
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
	return (lines.at(-1) ?? "it says nothing").trim().replace(/^(error|pulumi): /, "");
}
