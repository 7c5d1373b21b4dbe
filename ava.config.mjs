import { statSync } from "node:fs";

export default {
	files: ["**/*.test.ts"],
	extensions: ["ts"],
	nodeArguments: ["--require=ts-node/register"],
	timeout: "60s",
	environmentVariables: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" },
	// Those that most is tested in take longest: begun first, none of them is alone at the end.
	sortTestFiles: (one, other) => statSync(other).size - statSync(one).size,
};
