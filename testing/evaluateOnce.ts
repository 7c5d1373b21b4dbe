import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { buffer } from "node:stream/consumers";
import { deserialize, serialize } from "node:v8";
import { AssetArchive, StringAsset } from "@pulumi/pulumi/asset";
import type { EvaluateOptions } from "../local/evaluate";
import type { Program } from "../local/program";
import type { Answer } from "./evaluator";

/** The evaluator's, which takes this file to have ended when its last connection is closed. */
const agent = new Agent({ keepAlive: true });

/**
 * Evaluates a program as it was when the tests began, once for all test files that ask for the same: each of them would load all of
 * Pulumi and bundle every function, which takes seconds.
 */
export async function evaluateOnce(options: EvaluateOptions): Promise<Program> {
	const asking = request(process.env.EVALUATOR_URL ?? "", { agent, method: "POST" });
	asking.end(serialize(options));
	const [response] = (await once(asking, "response")) as [IncomingMessage]; // as Node.js documents the event
	const answer: Answer = deserialize(await buffer(response));
	if ("failure" in answer) throw new Error(answer.failure);
	for (const { inputs } of answer.program.resources) {
		if (inputs.code instanceof Map) inputs.code = toArchive(inputs.code);
	}
	return answer.program;
}

const toArchive = (texts: ReadonlyMap<string, string>) =>
	new AssetArchive(
		Object.fromEntries([...texts].map(([path, text]) => [path, new StringAsset(text)])),
	);
