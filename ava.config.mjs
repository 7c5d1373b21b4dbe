import { statSync } from "node:fs";
import { availableParallelism } from "node:os";

export default {
	files: ["**/*.test.ts"],
	extensions: ["ts"],
	nodeArguments: ["--require=ts-node/register"],
	timeout: "60s",
	// One more than there are processors, as files wait now and then; tests run processes of their own beside them, and would be late.
	concurrency: availableParallelism() + 1,
	environmentVariables: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" },
	// The largest take longest; begun first, none of them is alone at the end.
	sortTestFiles: (one, other) => statSync(other).size - statSync(one).size,
};
