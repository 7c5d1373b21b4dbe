// What ts-node compiles with, as tsconfig.json says: TypeScript, whose output is kept. `npm test` has a hundred processes and threads of
// some fifty modules each, and to compile them takes longer than to load them with all that they import.
const { createHash, randomUUID } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const { basename, dirname, join } = require("node:path");
const ts = require("typescript");

/** Beside the compiler: copies of this project that share it share this too, and `npm ci` empties it. */
const directory = join(dirname(require.resolve("typescript/package.json")), "../.cache/transpiled");

/** https://typestrong.org/ts-node/docs/transpilers/#third-party-transpilers */
exports.create = ({ service }) => {
	// Where the project is says nothing of what a module compiles to.
	const { rootDir, outDir, configFilePath, ...compilerOptions } = service.config.options;
	const compiler = JSON.stringify([ts.version, compilerOptions]);

	return {
		transpile(source, { fileName }) {
			const name = basename(fileName); // no more of the path is in the output
			// All that the output depends on, so that it is never an old one's.
			const key = createHash("sha256").update([compiler, name, source].join("\0")).digest("hex");
			const path = join(directory, key);
			return read(path) ?? compile(source, name, path);
		},
	};

	function compile(source, fileName, path) {
		const { outputText, sourceMapText, diagnostics } = ts.transpileModule(source, {
			fileName,
			compilerOptions,
			reportDiagnostics: true,
		});
		if (diagnostics.length === 0) keep(path, { outputText, sourceMapText });
		return { outputText, sourceMapText, diagnostics };
	}
};

function read(path) {
	try {
		return JSON.parse(readFileSync(path, "utf8"));
	} catch {
		return undefined;
	}
}

function keep(path, output) {
	try {
		mkdirSync(directory, { recursive: true });
		// Others read and write it at the same time.
		const unfinished = `${path}.${randomUUID()}`;
		writeFileSync(unfinished, JSON.stringify(output));
		renameSync(unfinished, path);
	} catch {
		// Where it cannot be kept, it is compiled again.
	}
}
