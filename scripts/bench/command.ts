import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { SingleBar } from "cli-progress";
import { Command } from "commander";
import { evaluate } from "../../local/evaluate";
import { bringNodejs, findNodejs, type Nodejs } from "../../local/nodejs";
import { declared } from "../../local/program";
import { startStack } from "../../local/stack";
import { testOptions, withoutTrail } from "../../testing/programs";
import { Refusal, runCommand } from "../refusal";
import { accessPatterns } from "./accessPatterns";
import { archiveSizes, archivesOf } from "./archives";
import { batches } from "./batch";
import { coldStarts } from "./coldStart";
import { clientsPerFunction } from "./connections";
import { type Figure, isMissed } from "./figure";
import { growth } from "./growth";
import { reconciling } from "./reconcile";
import { roundTrips } from "./roundTrips";
import { signUpToProfile } from "./signUp";

const coldStartRounds = 21;
const patternWarmUpRounds = 4;
const patternRounds = 9;
const operationsPerRound = 256;
const sizes = [1_000, 10_000, 100_000] as const;
const lookupRounds = 1_000;
const poolSizes = [1_000, 50_000] as const;
const signUps = 100;
const clientPeople = 10;
const batchRounds = 20;
const writeModes = ["event", "immediate"] as const;

runCommand(async () => {
	const { json } = new Command("npm run bench --")
		.description(
			"Measures the deployed functions and the domain against what people would write by hand.",
		)
		.option("--json", "print the figures as JSON, for a machine")
		.exitOverride()
		.parse()
		.opts<{ json?: true }>();
	const { figures, nodejs } = await measure();
	const missed = figures.filter(isMissed);
	const machine = `Functions on Node.js ${nodejs.version}, the rest on ${process.version}; ${availableParallelism()} x ${cpus()[0]?.model}`;
	console.log(
		json
			? JSON.stringify({ machine, figures, missed: missed.map(({ name }) => name) }, undefined, 2)
			: `${table(figures)}\n${machine}`,
	);
	for (const { section, name } of missed) console.error(`Over its limit: ${section}, ${name}`);
	if (missed.length > 0) process.exitCode = 1;
});

/** The Node.js that functions of a runtime run on: a figure of another would say nothing of them. */
async function nodejsFor(runtime: string): Promise<Nodejs> {
	const nodejs = findNodejs(runtime) ?? (await bringNodejs(runtime));
	if (nodejs) return nodejs;
	throw new Refusal(
		`The benchmark needs the Node.js of ${runtime}, which npm cannot bring: check the network, or start it with that Node.js.`,
	);
}

/** Runs every section; all that is compared is measured in turn, in one run. Progress goes to standard error. */
async function measure(): Promise<{ figures: Figure[]; nodejs: Nodejs }> {
	const program = await evaluate(testOptions());
	const [fn] = declared(program, "aws:lambda/function:Function");
	const nodejs = await nodejsFor(fn?.inputs.runtime ?? "");
	const total =
		1 +
		batchRounds +
		writeModes.length * (coldStartRounds + signUps) +
		patternWarmUpRounds +
		patternRounds +
		sizes.length +
		poolSizes.length;
	const progress = new SingleBar({
		format: "{bar} {percentage}% | {section}",
		stream: process.stderr,
		// Without a terminal: a line now and then.
		noTTYOutput: true,
		notTTYSchedule: 10_000,
	});
	const step = () => progress.increment();
	const directory = await mkdtemp(join(tmpdir(), "benchmark-"));
	const figures: Figure[] = [];
	progress.start(total, 0, { section: "starting" });
	try {
		progress.update({ section: "round trips" });
		// A trail would tell of what is measured, and have it recorded meanwhile.
		const stack = await startStack({ program: withoutTrail(program) });
		try {
			figures.push(...(await roundTrips(stack)));
			step();
			progress.update({ section: "batches" });
			figures.push(...(await batches(stack, { rounds: batchRounds, onRound: step })));
		} finally {
			await stack.close();
		}
		for (const writeMode of writeModes) {
			const stack = await startStack(testOptions({ writeMode }));
			try {
				const archives = await archivesOf(stack.program);
				progress.update({ section: `cold start, ${writeMode} mode` });
				figures.push(
					...(await coldStarts(archives, {
						directory: join(directory, writeMode),
						nodejs: nodejs.path,
						writeMode,
						rounds: coldStartRounds,
						onRound: step,
					})),
					...archiveSizes(archives, writeMode),
				);
				const untold = await startStack({ program: withoutTrail(stack.program) });
				figures.push(
					...(await clientsPerFunction(untold, { writeMode, people: clientPeople }).finally(
						untold.close,
					)),
				);
				progress.update({ section: `sign-up to profile, ${writeMode} mode` });
				figures.push(
					...(await signUpToProfile(stack, { writeMode, people: signUps, onPerson: step })),
				);
			} finally {
				await stack.close();
			}
		}
		progress.update({ section: "access patterns" });
		figures.push(
			...(await accessPatterns({
				warmUpRounds: patternWarmUpRounds,
				rounds: patternRounds,
				operations: operationsPerRound,
				onRound: step,
			})),
		);
		progress.update({ section: "growth" });
		figures.push(...(await growth({ sizes, rounds: lookupRounds, onTable: step })));
		progress.update({ section: "reconcile" });
		figures.push(...(await reconciling({ sizes: poolSizes, onPool: step })));
	} finally {
		progress.stop();
		await rm(directory, { recursive: true, force: true });
	}
	return { figures, nodejs };
}

/** The figures as a Markdown table, a section after the other. */
function table(figures: readonly Figure[]): string {
	const rows = [
		["section", "figure", "value", "at most", ""],
		...[...figures]
			.sort((a, b) => a.section.localeCompare(b.section))
			.map((figure) => [
				figure.section,
				figure.name,
				shown(figure),
				figure.limit === undefined ? "" : String(figure.limit),
				figure.limit === undefined ? "" : isMissed(figure) ? "missed" : "held",
			]),
	];
	const widths = rows[0]?.map((_, column) =>
		Math.max(...rows.map((row) => row[column]?.length ?? 0)),
	);
	const line = (cells: readonly string[]) =>
		`| ${cells.map((cell, column) => cell.padEnd(widths?.[column] ?? 0)).join(" | ")} |`;
	const [head = [], ...body] = rows;
	return [
		line(head),
		line(head.map((_, column) => "-".repeat(widths?.[column] ?? 0))),
		...body.map(line),
	].join("\n");
}

function shown({ value, unit, spread }: Figure): string {
	switch (unit) {
		case "count":
		case "units":
			return String(value);
		case "ops/s":
			return `${Math.round(value)} ops/s`;
		case "kB":
			return `${Math.round(value)} kB`;
		case "ms":
			return `${value.toFixed(1)} ms ± ${spread.toFixed(1)}`;
		case "ratio":
			return `${value.toFixed(2)} ± ${spread.toFixed(2)}`;
	}
}
