import { statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { relative } from "node:path";

const isOfDomain = (file) => Number(relative(import.meta.dirname, file).startsWith("domain"));

export default {
	files: ["**/*.test.ts"],
	extensions: ["ts"],
	nodeArguments: ["--require=./register.js"],
	timeout: "60s",
	// One more than there are processors, as files wait now and then; tests run processes of their own beside them, and would be late.
	concurrency: availableParallelism() + 1,
	environmentVariables: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" },
	// The largest take longest, and the domain's least, as they start no processes; begun in that order, none is alone at the end.
	sortTestFiles: (one, other) =>
		isOfDomain(one) - isOfDomain(other) || statSync(other).size - statSync(one).size,
};
