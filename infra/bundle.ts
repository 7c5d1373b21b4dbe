import { join } from "node:path";
import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { build } from "rolldown";

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
 * Pulumi serialises it, and a file for each of the modules, bundled with all that it imports from its TypeScript source. What is
 * imported when it is first used, as by `await import`, has a file of its own, which is not loaded before. An environment variable
 * whose value is known before the deployment is a constant of the bundle, so that what it turns off is left out.
 *
 * Pulumi's own CallbackFunction would look through all of node_modules for what to upload, once for each function.
 *
 * @param callbackFactory makes the handler, once per cold start; it captures nothing
 * @param variables of the function's environment
 * @returns the code, and the handler in it, of an `aws.lambda.Function`; the code rejects with `pulumi.RunError` if it cannot be
 * bundled
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
	const modules = [...index.matchAll(/\brequire\("\.\/([^"]+)"\)/g)].map(
		([, module = ""]) => module,
	);
	const files: Record<string, pulumi.asset.Asset> = {
		"__index.js": new pulumi.asset.StringAsset(index),
	};
	for (const { fileName, code } of modules.length > 0 ? await bundled(modules, constants) : []) {
		files[fileName] = new pulumi.asset.StringAsset(code);
	}
	return new pulumi.asset.AssetArchive(files);
}

async function bundled(modules: readonly string[], constants: Record<string, string>) {
	const missing: Error[] = [];
	const { output } = await build({
		input: Object.fromEntries(modules.map((module) => [module, join(__dirname, "..", module)])),
		write: false,
		platform: "node",
		external: otherCredentials,
		// ES modules, where a package offers them: only of these can be left out what is not used.
		resolve: { mainFields: ["module", "main"] },
		transform: { target: "node24", define: constants },
		// What a module shares with one that it loads later lies in its own file, so that there are no more files to load at first.
		preserveEntrySignatures: "allow-extension",
		onLog(_, log) {
			// Of a package that is not there it only warns.
			if (log.code === "UNRESOLVED_IMPORT") missing.push(new Error(log.message));
		},
		output: {
			format: "cjs",
			banner: requireWhenUsed,
			entryFileNames: "[name].js",
			minify: true,
			comments: false,
			// As ES modules, Node.js's own would have each of their exports evaluated, and node:http loads a second HTTP client for that.
			dynamicImportInCjs: false,
		},
	}).catch((error: Error) => {
		throw cannotBundle(modules, error);
	});
	const [first] = missing;
	if (first) throw cannotBundle(modules, first);
	return output.filter((file) => file.type === "chunk");
}

/**
 * The SDK imports node:fs/promises for files that no function has; a module of Node.js's that is only imported is not to be loaded,
 * with all that lies below it.
 */
const requireWhenUsed = `require=((load)=>(name)=>name==="node:fs/promises"?new Proxy({},{get:(_,key)=>load(name)[key],ownKeys:()=>Reflect.ownKeys(load(name))}):load(name))(require);`;

/** The bundler says what is wrong in a line that begins with a code, and then shows where. */
function cannotBundle(modules: readonly string[], { message }: Error): pulumi.RunError {
	const what = /^\[\w+\] (.+?)\.?$/m.exec(message)?.[1] ?? message;
	const where = /─\[ (.+?) \]/.exec(message)?.[1];
	const why = where === undefined ? what : `${what} (${where})`;
	return new pulumi.RunError(
		`The callback that requires ./${modules.join(", ./")} cannot be bundled: ${why}.`,
	);
}
