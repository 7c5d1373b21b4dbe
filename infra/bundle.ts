import { join } from "node:path";
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
 * Makes the archive of a CallbackFunction small and quick to start.
 *
 * Pulumi packs the serialised callback, `__index.js`, with all of node_modules. This keeps `__index.js` as it is, leaves
 * node_modules out, and adds a file for each module that the callback requires by a relative path: the module with all that
 * it imports, bundled from its TypeScript source. An environment variable whose value is known before the deployment is a
 * constant of the bundle, so that what it turns off is left out.
 *
 * Pass it as a resource option: `{ transformations: [bundle] }`.
 */
export const bundle: pulumi.ResourceTransformation = ({ props, opts }) => {
	const variables: Record<string, pulumi.Input<string>> = props.environment?.variables ?? {};
	const constants = Object.entries(variables)
		.filter(([, value]) => typeof value === "string")
		.map(([name, value]) => [`process.env.${name}`, JSON.stringify(value)]);
	const code = pulumi
		.output(props.code)
		.apply((archive) => bundledArchive(archive, Object.fromEntries(constants)));
	return { props: { ...props, code }, opts };
};

async function bundledArchive(
	archive: pulumi.Unwrap<pulumi.asset.AssetArchive>,
	constants: Record<string, string>,
) {
	const index = archive.assets["__index.js"];
	if (index === undefined || !("text" in index) || typeof index.text !== "string") {
		throw new Error(
			"The archive of a CallbackFunction holds no __index.js: has Pulumi renamed it?",
		);
	}
	const files: Record<string, pulumi.asset.Asset> = {
		"__index.js": new pulumi.asset.StringAsset(index.text),
	};
	for (const [, module = ""] of index.text.matchAll(/\brequire\("\.\/([^"]+)"\)/g)) {
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
		// ES modules, where a package offers them: only of these can esbuild leave out what is not used.
		mainFields: ["module", "main"],
		conditions: ["module", "import"],
	});
	return new pulumi.asset.StringAsset(outputFiles.map(({ text }) => text).join(""));
}
