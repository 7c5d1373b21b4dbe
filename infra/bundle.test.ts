import * as pulumi from "@pulumi/pulumi";
import test from "ava";
import { bundle } from "./bundle";

async function filesOf(callbackFactory: () => unknown): Promise<string[]> {
	const code = await bundle(callbackFactory, {}).code;
	if (!(code instanceof pulumi.asset.AssetArchive)) throw new Error("it is no archive of assets");
	return Object.keys(await code.assets);
}

test("a function that sends dead letters loads SQS's client with the first of them: it is a file of its own", async (t) => {
	const files = await filesOf(() => require("./handlers/recordUser").handler);
	t.true(files.includes("__index.js"));
	t.true(files.includes("handlers/recordUser.js"));
	t.true(files.length > 2, files.join(", "));
});

test("a callback whose module is not there is refused in one sentence", async (t) => {
	const refused = await t.throwsAsync(filesOf(() => require("./handlers/recordUsers").handler));
	t.true(pulumi.RunError.isInstance(refused));
	t.regex(
		refused?.message ?? "",
		/^The callback that requires \.\/handlers\/recordUsers cannot be bundled: .+\.$/,
	);
	t.notRegex(refused?.message ?? "", /\n/);
});
