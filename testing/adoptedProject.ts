import { readFileSync } from "node:fs";
import {
	appendFile,
	cp,
	mkdir,
	mkdtemp,
	readFile,
	realpath,
	symlink,
	writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

const project = dirname(__dirname);

/** The blocks of TypeScript in what is written about this project. */
const blocks = ["README.md", "docs/operations.md"]
	.flatMap((page) => [
		...readFileSync(join(project, page), "utf8").matchAll(/^```ts\n(.*?)^```/gms),
	])
	.map(([, code = ""]) => code);

/** The one block of code in the README or docs/operations.md that holds a text. */
export function documented(text: string): string {
	const [block, ...more] = blocks.filter((code) => code.includes(text));
	if (block !== undefined && more.length === 0) return block;
	throw new Error(`Not exactly one block of the README and docs/operations.md holds ${text}`);
}

/** Copies this project, with all that one has changed in it, into a new directory, which is to be removed in the end. */
export async function copyProject(): Promise<string> {
	const directory = await realpath(await mkdtemp(join(tmpdir(), "adopted-")));
	await cp(project, directory, {
		recursive: true,
		filter: (source) => ![".git", "node_modules"].includes(basename(source)),
	});
	// On Windows a link of another kind is not everybody's to make.
	await symlink(join(project, "node_modules"), join(directory, "node_modules"), "junction");
	return directory;
}

/**
 * Copies this project and adds what the README and docs/operations.md say that one can add: attributes of both kinds, an entity,
 * subscribers, and code that uses the users. What is there already, as in a fork that has taken it, is not added again; an attribute
 * that a fork has changed is as it is written here.
 *
 * @returns the directory of the copy
 */
export async function adoptProject(): Promise<string> {
	const directory = await copyProject();
	await edit(directory, "domain/user/attributes.ts", (source) =>
		[
			[/^export const identityAttributes = {\n/m, documented("custom:seats")] as const,
			[/^export const applicationAttributes = {\n/m, documented("theme:")] as const,
		].reduce(
			(text, [start, entries]) =>
				withoutEntries(text, entries).replace(
					start,
					(line) => line + entries.replace(/^(?=.)/gm, "\t"),
				),
			source,
		),
	);
	const files = ["domain/order/orders.ts", "handlers/sendWelcome.ts", "handlers/eraseRest.ts"];
	for (const path of files) {
		await mkdir(dirname(join(directory, path)), { recursive: true });
		await writeFile(join(directory, path), documented(`// ${path}\n`));
	}
	for (const declaration of ['new Subscriber("sendWelcome"', 'new Subscriber("eraseRest"']) {
		if ((await readFile(join(directory, "index.ts"), "utf8")).includes(declaration)) continue;
		await appendFile(join(directory, "index.ts"), `\n${documented(declaration)}`);
	}
	await writeFile(join(directory, "application.ts"), documented("createUsers(openTable("));
	return directory;
}

/** A registry of attributes without those that have the names of some entries, on however many lines. */
const withoutEntries = (registry: string, entries: string) =>
	[...entries.matchAll(/^\w+/gm)].reduce(
		(text, [name]) => text.replace(new RegExp(`^\t${name}:.*\n(\t[\t})\\]].*\n)*`, "m"), ""),
		registry,
	);

/** Changes a file of a project. */
export async function edit(
	directory: string,
	path: string,
	change: (text: string) => string,
): Promise<void> {
	const file = join(directory, path);
	await writeFile(file, change(await readFile(file, "utf8")));
}
