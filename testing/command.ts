import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import test from "ava";
import { build } from "esbuild";

/** An operator's command, compiled once and not at each start. */
export interface TestCommand {
	/** The compiled file. */
	readonly path: string;
	start(flags: readonly string[], env?: NodeJS.ProcessEnv): ReturnType<typeof startNode>;
	remove(): Promise<void>;
}

/** Compiles a command of `scripts/`, given by its source. */
export async function compileCommand(source: string): Promise<TestCommand> {
	const directory = await mkdtemp(join(tmpdir(), "command-"));
	const path = join(directory, "command.js");
	await build({
		entryPoints: [source],
		outfile: path,
		bundle: true,
		platform: "node",
		format: "cjs",
		// ES modules, where a package offers them: what is not used is left out, and not loaded at each start.
		mainFields: ["module", "main"],
		conditions: ["module", "import"],
	});
	return {
		path,
		start: (flags, env = environment()) => startNode([path, ...flags], env),
		remove: () => rm(directory, { recursive: true }),
	};
}

/** What a command finds that is run against an embedded stack: the stack's key, and nothing of the developer's own. */
export const environment = (): NodeJS.ProcessEnv => ({
	...process.env,
	AWS_ACCESS_KEY_ID: "local",
	AWS_SECRET_ACCESS_KEY: "local",
	AWS_EC2_METADATA_DISABLED: "true",
	AWS_REGION: undefined,
	AWS_PROFILE: undefined,
});

const startNode = (args: readonly string[], env: NodeJS.ProcessEnv) =>
	spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });

/** What a process that was started has printed, once it has ended, and how; not that it waited, as on a busy machine any may. */
export async function end(child: ChildProcess) {
	if (!child.stdout || !child.stderr) throw new Error("its output goes elsewhere");
	const [output, errors, [status, signal]] = await Promise.all([
		text(child.stdout),
		text(child.stderr),
		once(child, "close"),
	]);
	return { output, errors: errors.replace(/^Waiting for .*\n/gm, ""), status, signal };
}

/** Declares a test of signals, of which Windows has none but the end of a process, or of a script that names what runs it. */
export const onPosix = process.platform === "win32" ? test.serial.skip : test.serial;
