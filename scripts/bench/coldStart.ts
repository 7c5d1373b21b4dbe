import { execFile } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { eventSource } from "../../domain/user/events";
import { linkAttribute } from "../../domain/user/registry";
import type { Archive } from "./archives";
import { type Figure, ratio, time } from "./figure";
import { ada, profile, serveInstantAws } from "./instantAws";

const project = join(__dirname, "../..");

/** A pool's event to a trigger, of an account that is linked or is not. */
const trigger = (triggerSource: string, link?: string) => ({
	triggerSource,
	userPoolId: "us-east-1_Benchmark",
	userName: ada.sub,
	request: {
		userAttributes: {
			sub: ada.sub,
			email: ada.email,
			email_verified: "true",
			[linkAttribute]: link,
		},
	},
});

const identity = { sub: ada.sub, username: ada.sub, email: ada.email, emailVerified: true };

/** The most of the plain handler's time, in each write mode. */
type Limits = Readonly<Record<string, number>>;
// In immediate mode a trigger calls three services, each through a client and over a connection of its own, the plain handler one.
const ofTriggers: Limits = { event: 0.62, immediate: 0.85 };
const ofConsumers: Limits = { event: 0.72, immediate: 0.72 };

// The most of the time of a plain handler that makes the very calls.
const ofSameCalls: Limits = { immediate: 0.62 };

/** What each of this project's functions is invoked with, and the most that it may take. */
export const invocations: Record<
	string,
	{ event: object; limits?: Limits; limitsOfSameCalls?: Limits }
> = {
	postConfirmation: {
		event: trigger("PostConfirmation_ConfirmSignUp"),
		limits: ofTriggers,
		limitsOfSameCalls: ofSameCalls,
	},
	postAuthentication: {
		event: trigger("PostAuthentication_Authentication", ada.userId),
		limits: ofTriggers,
		limitsOfSameCalls: ofSameCalls,
	},
	recordUser: {
		event: {
			Records: [
				{
					messageId: "1",
					body: JSON.stringify({
						source: eventSource,
						"detail-type": "UserAuthenticated",
						detail: { version: 1, identity, userId: ada.userId },
					}),
				},
			],
		},
		limits: ofConsumers,
	},
	publishChanges: {
		event: { Records: [{ dynamodb: { SequenceNumber: "1", NewImage: profile } }] },
		limits: ofConsumers,
	},
	reconcile: { event: {} }, // nobody waits for it
};

/** Runs in the new process, as Lambda's runtime does: loads the function, and then hands it one event. */
const measurement = `
const { performance } = require("node:perf_hooks");
const [index, event] = process.argv.slice(1);
const errors = [];
console.info = () => {};
console.error = (error) => errors.push(error);
(async () => {
	const begun = performance.now();
	const { handler } = require(index);
	await new Promise(setImmediate);
	const loaded = performance.now();
	await handler(JSON.parse(event), { getRemainingTimeInMillis: () => 300_000 });
	const answered = performance.now();
	const measured = { loading: loaded - begun, handling: answered - loaded, errors, loaded: process.moduleLoadList };
	process.stdout.write(JSON.stringify(measured), () => process.exit());
})();
`;

/** One cold start. */
export interface ColdStart {
	/** The milliseconds from requiring the function until it can take an event: apart, as docs/benchmark.md says. */
	readonly loading: number;
	/** The milliseconds until it has answered its first, on the share of a processor that its memory buys. */
	readonly handling: number;
	/** What it has logged as an error. */
	readonly errors: readonly object[];
	/** What is loaded then of Node.js's own. */
	readonly loaded: readonly string[];
}

/** Where and how functions start. */
interface Surroundings {
	/** The Node.js that runs them. */
	readonly nodejs: string;
	/** Where their calls go. */
	readonly endpoint: string;
	readonly writeMode: string;
}

/** Starts a function in a process of its own, and hands it one event. */
export async function coldStart(
	directory: string,
	event: object,
	{ nodejs, endpoint, writeMode }: Surroundings,
	calls = 1,
): Promise<ColdStart> {
	const { stdout } = await promisify(execFile)(
		nodejs,
		["--eval", measurement, join(directory, "__index.js"), JSON.stringify(event)],
		{
			env: {
				AWS_ACCESS_KEY_ID: "benchmark",
				AWS_ENDPOINT_URL: endpoint,
				AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "false",
				AWS_REGION: "us-east-1",
				AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
				AWS_SECRET_ACCESS_KEY: "benchmark",
				CALLS: String(calls),
				DEAD_LETTER_QUEUE_URL: `${endpoint}/deadLetters`,
				EVENT_BUS_NAME: "users",
				HOME: directory,
				// Authorities of one's own would have all of them read beside the loading, which is not so on AWS.
				NODE_TLS_REJECT_UNAUTHORIZED: "0",
				NODE_NO_WARNINGS: "1",
				TABLE_NAME: "users",
				USER_POOL_ID: "us-east-1_Benchmark",
				WRITE_MODE: writeMode,
			},
		},
	);
	return JSON.parse(stdout);
}

/** Writes a function's archive where Lambda would unpack it. */
export async function write(directory: string, files: Archive): Promise<string> {
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
async function writePlain(source: string, directory: string): Promise<string> {
	await build({
		entryPoints: [join(__dirname, source)],
		outfile: join(directory, "__index.js"),
		bundle: true,
		platform: "node",
		target: "node24",
		format: "cjs",
	});
	return directory;
}

/** What is started in each round, and how long it took. */
interface Sample {
	readonly name: string;
	readonly start: () => Promise<ColdStart>;
	readonly starts: ColdStart[];
}

const sample = (name: string, start: Sample["start"]): Sample => ({ name, start, starts: [] });
const loading = ({ starts }: Sample) => starts.map(({ loading }) => loading);
const handling = ({ starts }: Sample) => starts.map(({ handling }) => handling);
const both = ({ starts }: Sample) => starts.map(({ loading, handling }) => loading + handling);

/** A function, and what its cold start is measured against: with the most of the other's time that it may take, where there is one. */
interface Measured {
	readonly ours: Sample;
	readonly against: readonly { readonly other: Sample; readonly limit?: number | undefined }[];
}

/**
 * Measures what is waited for at a cold start, from requiring a function until its first event is answered, with calls over TLS
 * to a server on this machine: of each of this project's functions against the default archive, against a plain handler that puts as
 * often as it calls, and of a trigger that calls several services, against a plain one that makes those calls, all in turn, round by
 * round.
 *
 * @param directory where the archives are written
 * @param nodejs the path of the Node.js that the functions declare
 * @param writeMode how the program was declared
 * @param onRound told after each round
 */
export async function coldStarts(
	archives: ReadonlyMap<string, Archive>,
	{
		directory,
		nodejs,
		writeMode,
		rounds,
		onRound,
	}: {
		directory: string;
		nodejs: string;
		writeMode: string;
		rounds: number;
		onRound: () => void;
	},
): Promise<Figure[]> {
	const aws = await serveInstantAws();
	try {
		const surroundings = { nodejs, endpoint: aws.url, writeMode };
		const plainHandler = await writePlain("plainHandler.ts", join(directory, "plain"));
		const plainTrigger = await writePlain("plainTrigger.ts", join(directory, "plainTrigger"));
		const callsOf = async ({ name, start }: Sample) => {
			aws.takeCalls();
			const { errors } = await start();
			if (errors.length > 0) throw new Error(`${name} has failed: ${JSON.stringify(errors)}`);
			return aws.takeCalls();
		};
		const plains = new Map<number, Sample>();
		const functions: Measured[] = [];
		for (const [name, files] of archives) {
			const invocation = invocations[name];
			if (!invocation) continue; // what this project does not declare has events of its own
			const { event, limits, limitsOfSameCalls } = invocation;
			const bundled = await write(join(directory, name), files);
			const unbundled = await writeDefaultArchive(join(directory, `${name}-default`), files);
			const started = (what: string, archive: string) =>
				sample(what, () => coldStart(archive, event, surroundings));
			const ours = started(name, bundled);
			const calls = await callsOf(ours);
			const plain =
				plains.get(calls) ??
				sample(`a plain handler, ${calls} x PutItem`, () =>
					coldStart(plainHandler, trigger(""), surroundings, calls),
				);
			plains.set(calls, plain);
			const against: Measured["against"][number][] = [
				{ other: plain, limit: limits?.[writeMode] },
				{ other: started("Pulumi's default archive", unbundled) },
			];
			const limitOfSameCalls = limitsOfSameCalls?.[writeMode];
			if (limitOfSameCalls !== undefined) {
				const other = started("a plain handler, the same calls", plainTrigger);
				if ((await callsOf(other)) !== calls) throw new Error(`${name} makes other calls.`);
				against.push({ other, limit: limitOfSameCalls });
			}
			functions.push({ ours, against });
		}
		const samples = new Set(
			functions.flatMap(({ ours, against }) => [ours, ...against.map(({ other }) => other)]),
		);
		for (let round = 0; round < rounds; round++) {
			for (const { start, starts } of samples) starts.push(await start());
			onRound();
		}

		const section = `Cold start, ${writeMode} mode`;
		const parts = (measured: Sample) => [
			time(section, `${measured.name}: loading`, loading(measured)),
			time(section, `${measured.name}: the first event`, handling(measured)),
		];
		return [
			...[...plains.values()].flatMap(parts),
			...functions.flatMap(({ ours, against }) => [
				...parts(ours),
				...against.map(({ other, limit }) =>
					ratio(section, `${ours.name} against ${other.name}`, both(ours), both(other), limit),
				),
			]),
		];
	} finally {
		aws.close();
	}
}
