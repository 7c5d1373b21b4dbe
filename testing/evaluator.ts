import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { deserialize, serialize } from "node:v8";
import { Archive, Asset, AssetArchive, StringAsset } from "@pulumi/pulumi/asset";
import type { EvaluateOptions } from "../local/evaluate";
import type { Program } from "../local/program";

/** What evaluateOnce is answered: in place of each archive its texts, by path. */
export type Answer = { readonly program: Program } | { readonly failure: string };

/**
 * Evaluates programs for all test files, each once, in a process that ava.config.mjs starts. That keeps half a gigabyte and more, and
 * whoever holds so much takes long to start another process, as tests do all the time.
 */
const answers = new Map<string, Promise<Answer>>();

const server = createServer(async (request, response) => {
	const asked = await buffer(request);
	const key = asked.toString("latin1");
	const answer = answers.get(key) ?? evaluate(deserialize(asked));
	answers.set(key, answer);
	response.end(serialize(await answer));
});

// Each test file keeps its connection until it ends. When none is left, as between two runs of a watch, the program may change.
server.keepAliveTimeout = 0;
let connections = 0;
server.on("connection", (connection) => {
	connections++;
	connection.on("close", () => {
		connections--;
		if (connections === 0) answers.clear();
	});
});

server.listen(0, "127.0.0.1", () => process.send?.(server.address()));
process.on("disconnect", () => process.exit());

async function evaluate(options: EvaluateOptions): Promise<Answer> {
	// Loaded when it is first needed: a run of one file may ask for nothing.
	const { evaluate } = require("../local/evaluate") as typeof import("../local/evaluate");
	try {
		// What becomes of a program is one, but for its archives.
		return { program: (await sendable(await evaluate(options))) as Program };
	} catch (error) {
		return { failure: String(error) };
	}
}

/**
 * Of archives and assets, which hold promises, no more is sent than the texts of an archive that has nothing else, by path: no test
 * looks at more, and the embedded stack runs no other.
 */
async function sendable(value: unknown): Promise<unknown> {
	if (Array.isArray(value)) return Promise.all(value.map(sendable));
	if (value instanceof AssetArchive) return textsOf(await value.assets);
	if (value instanceof Archive || value instanceof Asset) return undefined;
	if (Object(value) !== value) return value;
	const entries = Object.entries(Object(value)).map(async ([name, each]) => [
		name,
		await sendable(each),
	]);
	return Object.fromEntries(await Promise.all(entries));
}

async function textsOf(assets: Awaited<AssetArchive["assets"]>) {
	const texts = new Map<string, string>();
	for (const [path, asset] of Object.entries(assets)) {
		if (!(asset instanceof StringAsset)) return undefined;
		texts.set(path, await asset.text);
	}
	return texts;
}
