// Evaluates programs in a thread that all test files share: https://github.com/avajs/ava/blob/main/docs/recipes/shared-workers.md
require("ts-node/register");
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
		const program = await evaluate(options);
		// An archive of Pulumi's holds promises, which no message can.
		for (const { inputs } of program.resources) {
			if (inputs.code !== undefined) inputs.code = await textsOf(inputs.code);
		}
		return { program };
	} catch (error) {
		return { failure: String(error) };
	}
}

async function textsOf(archive) {
	const assets = Object.entries(await archive.assets);
	return Object.fromEntries(
		await Promise.all(assets.map(async ([path, asset]) => [path, await asset.text])),
	);
}
