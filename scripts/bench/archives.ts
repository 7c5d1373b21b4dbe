import { deflateRawSync } from "node:zlib";
import { AssetArchive, StringAsset } from "@pulumi/pulumi/asset";
import { declared, type Program } from "../../local/program";
import type { Figure } from "./figure";

/** The files of a function's archive, by path. */
export type Archive = ReadonlyMap<string, string>;

/** The archives that would be uploaded for a program's functions, by the function's name. */
export async function archivesOf(program: Program): Promise<ReadonlyMap<string, Archive>> {
	const archives = new Map<string, Archive>();
	for (const { name, inputs } of declared(program, "aws:lambda/function:Function")) {
		const { code } = inputs;
		const files = new Map<string, string>();
		if (code instanceof AssetArchive) {
			for (const [path, asset] of Object.entries(await code.assets)) {
				if (asset instanceof StringAsset) files.set(path, await asset.text);
			}
		}
		archives.set(name, files);
	}
	return archives;
}

/** The sizes of archives; zipped is the deflated content of all files, without the few bytes of the zip's directory. */
export function archiveSizes(archives: ReadonlyMap<string, Archive>, writeMode: string): Figure[] {
	const section = `Archive size, ${writeMode} mode`;
	return [...archives].flatMap(([name, files]) => {
		const kilobytes = (size: (text: string) => number) =>
			[...files.values()].reduce((sum, text) => sum + size(text), 0) / 1000;
		return [
			{
				section,
				name: `${name}, plain`,
				value: kilobytes((text) => Buffer.byteLength(text)),
				unit: "kB",
				spread: 0,
			},
			{
				section,
				name: `${name}, zipped`,
				value: kilobytes((text) => deflateRawSync(text).length),
				unit: "kB",
				limit: 130,
				spread: 0,
			},
		];
	});
}
