import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { adoptProject, edit } from "./adoptedProject";

const imports = `import { number } from "dynamodb-toolbox/schema/number";
import { set } from "dynamodb-toolbox/schema/set";
`;
const attributes = `	age: number().optional(),
	roles: set(string()).optional(),
	locale: string().optional().default("en"),
`;

/**
 * Checks and tests a copy of this project as an adopter would have it: with all that the README says one can add, though one of its
 * attributes changed and one left out, attributes of other kinds, and a setting of its own, under another name, in another region
 * and in the other write mode. It fails as they do.
 */
async function main(): Promise<void> {
	const begun = performance.now();
	const directory = await adoptProject();
	try {
		await edit(directory, "domain/user/attributes.ts", (source) =>
			source
				.replace(/^import { string }/m, `${imports}$&`)
				.replace(/^export const applicationAttributes = {\n/m, `$&${attributes}`)
				.replace(/^\ttheme: .*\n/m, "")
				.replace(/^(\tplan: .*maxLength): .*?,/m, "$1: 50,"),
		);
		await edit(directory, "infra/settings.ts", (source) =>
			source.replace(/^const declared = {\n/m, "$&\townSetting: boolean,\n"),
		);
		await edit(directory, "Pulumi.yaml", (yaml) =>
			yaml
				.replace(/^name: .*/m, "name: adopted")
				.replace(/^config:\n/m, "$&  ownSetting:\n    type: boolean\n    default: true\n"),
		);
		await edit(directory, "Pulumi.dev.yaml", (yaml) =>
			yaml
				.replace(/^( +)[\w-]+:(?=(protect|logRetentionDays|passwordAuth):)/gm, "$1adopted:")
				.replace(/^( +aws:region:).*/m, "$1 eu-central-1\n  adopted:writeMode: immediate"),
		);
		for (const script of ["check", "test"]) {
			// By a shell, as npm is a script on Windows.
			const options = { cwd: directory, stdio: "inherit", shell: true } as const;
			const child = spawn(`npm run ${script}`, options);
			const [status] = await once(child, "exit");
			if (status !== 0) {
				process.exitCode = 1;
				return;
			}
		}
		const minutes = (performance.now() - begun) / 60_000;
		console.log(`The copy with everything added holds; it took ${minutes.toFixed(1)} minutes.`);
	} finally {
		await rm(directory, { recursive: true });
	}
}

main();
