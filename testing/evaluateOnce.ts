import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { AssetArchive, StringAsset } from "@pulumi/pulumi/asset";
import { registerSharedWorker } from "ava/plugin";
import type { EvaluateOptions } from "../local/evaluate";
import type { Program } from "../local/program";

/** What `evaluating.js` answers: in place of each archive its texts, by path. */
type Answer = { readonly program: Program } | { readonly failure: string };

const evaluating = registerSharedWorker<unknown>({
	filename: pathToFileURL(join(__dirname, "evaluating.js")),
	supportedProtocols: ["ava-4"],
});

/**
 * Evaluates a program as it was when the tests began, once for all test files that ask for the same: each of them would load all of
 * Pulumi and bundle every function, which takes seconds.
 */
export async function evaluateOnce(options: EvaluateOptions): Promise<Program> {
	await evaluating.available;
	for await (const { data } of evaluating.publish(options).replies()) {
		const answer = data as Answer; // as evaluating.js writes it
		if ("failure" in answer) throw new Error(answer.failure);
		for (const { inputs } of answer.program.resources) {
			if (inputs.code instanceof Map) inputs.code = toArchive(inputs.code);
		}
		return answer.program;
	}
	throw new Error("The tests have ended.");
}

const toArchive = (texts: ReadonlyMap<string, string>) =>
	new AssetArchive(
		Object.fromEntries([...texts].map(([path, text]) => [path, new StringAsset(text)])),
	);
