import { join } from "node:path";
import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { build } from "esbuild";

/** Lambda gives every function its credentials in the environment; the SDK loads these providers only where there are none. */
const otherCredentials = [
	"@aws-sdk/credential-provider-http",
	"@aws-sdk/credential-provider-ini",
	"@aws-sdk/credential-provider-process",
	"@aws-sdk/credential-provider-sso",
	"@aws-sdk/credential-provider-web-identity",
	"@smithy/credential-provider-imds",
];

/**
 * Makes an archive that is small and quick to start of a callback that requires its modules by relative paths: the callback as
 * Pulumi serialises it, and a file for each of the modules, bundled with all that it imports from its TypeScript source. An
 * environment variable whose value is known before the deployment is a constant of the bundle, so that what it turns off is left out.
 *
 * Pulumi's own CallbackFunction would look through all of node_modules for what to upload, once for each function.
 *
 * @param callbackFactory makes the handler, once per cold start; it captures nothing
 * @param variables of the function's environment
 * @returns the code, and the handler in it, of an `aws.lambda.Function`
 */
export function bundle(
	callbackFactory: () => unknown,
	variables: Readonly<Record<string, pulumi.Input<string>>>,
): Pick<aws.lambda.FunctionArgs, "code" | "handler"> {
	const constants = Object.entries(variables)
		.filter(([, value]) => typeof value === "string")
		.map(([name, value]) => [`process.env.${name}`, JSON.stringify(value)]);
	const serialised = pulumi.runtime.serializeFunction(callbackFactory, { isFactoryFunction: true });
	const code = serialised.then(({ text }) => bundledArchive(text, Object.fromEntries(constants)));
	return { code, handler: "__index.handler" };
}

async function bundledArchive(index: string, constants: Record<string, string>) {
	const files: Record<string, pulumi.asset.Asset> = {
		"__index.js": new pulumi.asset.StringAsset(index),
	};
	for (const [, module = ""] of index.matchAll(/\brequire\("\.\/([^"]+)"\)/g)) {
		files[`${module}.js`] = await bundledModule(module, constants);
	}
	return new pulumi.asset.AssetArchive(files);
}

async function bundledModule(module: string, constants: Record<string, string>) {
	const { outputFiles } = await build({
		entryPoints: [join(__dirname, "..", module)],
		bundle: true,
		write: false,
		platform: "node",
		target: "node24",
		format: "cjs",
		minify: true,
		legalComments: "none",
		define: constants,
		external: otherCredentials,
		// package.json says that no module is there for what it does when it is loaded, so that what is not used is left out.
		logOverride: { "ignored-bare-import": "error" },
		// ES modules, where a package offers them: only of these can esbuild leave out what is not used.
		mainFields: ["module", "main"],
		conditions: ["module", "import"],
	});
	return new pulumi.asset.StringAsset(outputFiles.map(({ text }) => text).join(""));
}
