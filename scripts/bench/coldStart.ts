import { execFile } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import type { Archive } from "./archives";
import { type Figure, ratio, time } from "./figure";

const project = join(__dirname, "../..");

/** What a process has in its environment that runs a function. */
const environment = {
	AWS_REGION: "us-east-1",
	AWS_ACCESS_KEY_ID: "benchmark",
	AWS_SECRET_ACCESS_KEY: "benchmark",
	AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
	TABLE_NAME: "users",
	EVENT_BUS_NAME: "users",
	USER_POOL_ID: "us-east-1_Benchmark",
	DEAD_LETTER_QUEUE_URL: "https://sqs.us-east-1.amazonaws.com/123456789012/deadLetters",
};

/** An event that every function answers without a call of AWS: a forgotten password, of nobody, and a batch of nothing. */
const event = {
	Records: [],
	triggerSource: "PostConfirmation_ConfirmForgotPassword",
	userName: "nobody",
	request: { userAttributes: {} },
};

/** Runs in the new process: prints the milliseconds from requiring the function until it has answered. */
const measurement = `
const { performance } = require("node:perf_hooks");
console.error = () => {};
const begun = performance.now();
const answered = () => process.stdout.write(String(performance.now() - begun));
require(process.argv[1]).handler(${JSON.stringify(event)}).then(answered, answered);
`;

/** The milliseconds of one cold start, in a process of its own. */
async function coldStart(directory: string, writeMode: string): Promise<number> {
	const { stdout } = await promisify(execFile)(
		process.execPath,
		["--eval", measurement, join(directory, "__index.js")],
		{ env: { ...environment, WRITE_MODE: writeMode } },
	);
	return Number(stdout);
}

async function write(directory: string, files: Archive): Promise<string> {
	for (const [path, text] of files) {
		await mkdir(dirname(join(directory, path)), { recursive: true });
		await writeFile(join(directory, path), text);
	}
	return directory;
}

/**
 * The archive that Pulumi makes by default of the same callback: the callback as it is, the project's own modules one by one,
 * and node_modules beside them.
 */
async function writeDefaultArchive(directory: string, files: Archive): Promise<string> {
	await write(directory, new Map([["__index.js", files.get("__index.js") ?? ""]]));
	await build({
		entryPoints: [
			join(project, "handlers/**/*.ts"),
			join(project, "adapters/*.ts"),
			join(project, "domain/**/*.ts"),
		],
		outdir: directory,
		outbase: project,
		platform: "node",
		format: "cjs",
	});
	// On Windows a link of another kind is not everybody's to make.
	await symlink(join(project, "node_modules"), join(directory, "node_modules"), "junction");
	return directory;
}

/**
 * What people write instead, bundled with esbuild as CDK's NodejsFunction does, but with the SDK in the bundle: CDK leaves it
 * out by default, which starts slower still: https://github.com/aws/aws-cdk/issues/25492
 */
async function writePlainHandler(directory: string): Promise<string> {
	await build({
		entryPoints: [join(__dirname, "plainHandler.ts")],
		outfile: join(directory, "__index.js"),
		bundle: true,
		platform: "node",
		target: "node24",
		format: "cjs",
	});
	return directory;
}

/**
 * Measures the cold start of each function against the default archive and against a plain handler, all in turn, round by round.
 *
 * @param directory where the archives are written
 * @param writeMode how the program was declared
 * @param onRound told after each round
 */
export async function coldStarts(
	archives: ReadonlyMap<string, Archive>,
	{
		directory,
		writeMode,
		rounds,
		onRound,
	}: { directory: string; writeMode: string; rounds: number; onRound: () => void },
): Promise<Figure[]> {
	const section = `Cold start, ${writeMode} mode`;
	const plain = await writePlainHandler(join(directory, "plain"));
	const plainTimes: number[] = [];
	// Reconcile calls Cognito whatever it is asked, and nobody waits for it.
	const measured = [...archives].filter(([name]) => name !== "reconcile");
	const functions = await Promise.all(
		measured.map(async ([name, files]) => ({
			name,
			bundled: await write(join(directory, name), files),
			unbundled: await writeDefaultArchive(join(directory, `${name}-default`), files),
			times: [] as number[],
			defaultTimes: [] as number[],
		})),
	);
	for (let round = 0; round < rounds; round++) {
		plainTimes.push(await coldStart(plain, writeMode));
		for (const { bundled, unbundled, times, defaultTimes } of functions) {
			times.push(await coldStart(bundled, writeMode));
			defaultTimes.push(await coldStart(unbundled, writeMode));
		}
		onRound();
	}
	return [
		time(section, "a plain handler, PutItem only", plainTimes),
		...functions.flatMap(({ name, times, defaultTimes }) => [
			time(section, name, times),
			ratio(section, `${name} against the plain handler`, times, plainTimes, 0.75),
			ratio(
				section,
				`${name} against Pulumi's default archive`,
				times,
				defaultTimes,
				// Its default archive, too, loads one small client.
				name === "publishChanges" ? undefined : 0.35,
			),
		]),
	];
}
