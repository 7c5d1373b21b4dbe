import { fork } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { compileProject } from "./register.js";

const isOfDomain = (file) => Number(relative(import.meta.dirname, file).startsWith("domain"));

compileProject();

// Evaluates programs for all test files. It ends with ava, which does not wait for it.
const evaluator = fork(join(import.meta.dirname, "testing/evaluator.ts"), {
	execArgv: ["--require=./register.js"],
	cwd: import.meta.dirname,
});
const [{ port }] = await once(evaluator, "message");
evaluator.unref();
evaluator.channel.unref();

export default {
	files: ["**/*.test.ts"],
	extensions: ["ts"],
	nodeArguments: ["--require=./register.js"],
	// A process for each file: one that held them all would take long to start the processes that the tests start.
	workerThreads: false,
	timeout: "60s",
	// Two more than there are processors, as files wait for what is slow by design; with yet more, tests of time would be late.
	concurrency: availableParallelism() + 2,
	environmentVariables: {
		AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
		EVALUATOR_URL: `http://127.0.0.1:${port}`,
	},
	// The largest take longest, and the domain's least, as they start no processes; begun in that order, none is alone at the end.
	sortTestFiles: (one, other) =>
		isOfDomain(one) - isOfDomain(other) || statSync(other).size - statSync(one).size,
};
