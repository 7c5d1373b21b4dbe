import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

/** A Node.js of this machine. */
export interface Nodejs {
	readonly path: string;
	/** As it says itself: `v24.21.0`. */
	readonly version: string;
}

/** The one that runs this. */
export const ownNodejs: Nodejs = { path: process.execPath, version: process.version };

/**
 * Finds the Node.js that a runtime of Lambda is, such as `nodejs24.x`: the one that runs this, or one that {@link bringNodejs} has
 * brought before.
 */
export function findNodejs(runtime: string): Nodejs | undefined {
	if (isVersionOf(runtime, ownNodejs.version)) return ownNodejs;
	try {
		const found: Nodejs = JSON.parse(readFileSync(noteOf(runtime), "utf8"));
		return existsSync(found.path) ? found : undefined;
	} catch {
		return undefined;
	}
}

/**
 * Brings the Node.js that a runtime of Lambda is from the npm registry, some 50 MB, into npm's cache, where it stays for
 * {@link findNodejs}. `undefined` where npm has not started this, or cannot bring it.
 */
export async function bringNodejs(runtime: string): Promise<Nodejs | undefined> {
	const npm = process.env.npm_execpath;
	if (npm === undefined) return undefined;
	const range = runtime.replace("nodejs", "");
	const say =
		"process.stdout.write(JSON.stringify({ path: process.execPath, version: process.version }))";
	const exec = [
		"exec",
		"--yes",
		"--fetch-retries=0",
		`--package=node@${range}`,
		"--",
		"node",
		"--eval",
		say,
	];
	try {
		const { stdout } = await promisify(execFile)(process.execPath, [npm, ...exec], {
			timeout: 120_000,
		});
		const brought: Nodejs = JSON.parse(stdout);
		if (!isVersionOf(runtime, brought.version)) return undefined;
		mkdirSync(dirname(noteOf(runtime)), { recursive: true });
		writeFileSync(noteOf(runtime), stdout);
		return brought;
	} catch {
		return undefined;
	}
}

/** Whether a version of Node.js, such as `v24.21.0`, is one of a runtime of Lambda, such as `nodejs24.x`. */
export const isVersionOf = (runtime: string, version: string) =>
	version.startsWith(`${runtime.replace("nodejs", "v").replace(".x", "")}.`);

/** Where it is written down what was brought; it goes when packages are installed anew. */
const noteOf = (runtime: string) =>
	join(__dirname, "../node_modules/.cache/lambda", `${runtime}.json`);
