// Evaluates programs in a thread that all test files share: https://github.com/avajs/ava/blob/main/docs/recipes/shared-workers.md
require("../register");
const { Archive, Asset } = require("@pulumi/pulumi/asset");
const { evaluate } = require("../local/evaluate");

module.exports = async ({ negotiateProtocol }) => {
	const tests = negotiateProtocol(["ava-4"]).ready();
	const answers = new Map();
	forgetBetweenRuns(tests, answers);
	for await (const message of tests.subscribe()) {
		const asked = JSON.stringify(message.data);
		if (!answers.has(asked)) answers.set(asked, answer(message.data));
		answers.get(asked).then((told) => message.reply(told));
	}
};

/** Before the next run of a watch the program may have changed. */
async function forgetBetweenRuns(tests, answers) {
	let files = 0;
	for await (const file of tests.testWorkers()) {
		files++;
		file.teardown(() => {
			files--;
			if (files === 0) answers.clear();
		});
	}
}

async function answer(options) {
	try {
		return { program: await sendable(await evaluate(options)) };
	} catch (error) {
		return { failure: String(error) };
	}
}

/**
 * Of archives and assets, which hold promises, a message carries the texts of an archive that has nothing else, by path: no test looks
 * at more, and the embedded stack runs no other.
 */
async function sendable(value) {
	if (Archive.isInstance(value)) return textsOf(value);
	if (Asset.isInstance(value)) return undefined;
	if (Object(value) !== value) return value;
	if (Array.isArray(value)) return Promise.all(value.map(sendable));
	const entries = Object.entries(value).map(async ([name, each]) => [name, await sendable(each)]);
	return Object.fromEntries(await Promise.all(entries));
}

async function textsOf({ assets }) {
	const texts = new Map();
	for (const [path, asset] of Object.entries((await assets) ?? {}))
		texts.set(path, await asset.text);
	return [...texts.values()].includes(undefined) ? undefined : texts;
}
