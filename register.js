// What loads the TypeScript of every command: `node --require ./register.js`. TypeScript compiles it, as tsconfig.json says, and what
// it made is kept. ts-node, with which Pulumi runs the program, loads the compiler at each start: half of the time until a command begins.
const { createHash, randomUUID } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const { _extensions } = require("node:module");
const { basename, dirname, join } = require("node:path");
const { version } = require("typescript/package.json");

/** Beside the compiler: copies of this project that share it share this too, and `npm ci` empties it. */
const directory = join(dirname(require.resolve("typescript/package.json")), "../.cache/transpiled");
const tsconfig = join(__dirname, "tsconfig.json");
const compiler = `${version}\0${readFileSync(tsconfig)}`;

_extensions[".ts"] = (module, path) => module._compile(compiled(path), path);

// A stack shows the lines of the source.
process.setSourceMapsEnabled(true);

/**
 * Compiles, once after an installation, all that tsconfig.json includes: where many processes are about to start, each would load the
 * compiler for a file or two.
 */
exports.compileProject = () => {
	const done = join(directory, "project");
	if (read(done) === compiler) return;
	for (const path of configuration(require("typescript")).fileNames) {
		try {
			if (!path.endsWith(".d.ts")) compiled(path);
		} catch {
			// Whoever loads it is told why it does not compile.
		}
	}
	keep(done, compiler);
};

function compiled(path) {
	const source = readFileSync(path, "utf8");
	// All that the output depends on, so that it is never an old one's.
	const hash = createHash("sha256").update([compiler, basename(path), source].join("\0"));
	const kept = join(directory, hash.digest("hex"));
	return read(kept) ?? compile(source, path, kept);
}

function read(path) {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return undefined;
	}
}

let parsed;

function configuration(ts) {
	parsed ??= ts.getParsedCommandLineOfConfigFile(tsconfig, {}, ts.sys);
	return parsed;
}

function compile(source, fileName, kept) {
	const ts = require("typescript");
	// A copy of this project may be elsewhere.
	const options = { ...configuration(ts).options, inlineSourceMap: true, rootDir: undefined };
	const { outputText, diagnostics } = ts.transpileModule(source, {
		fileName,
		compilerOptions: options,
		reportDiagnostics: true,
	});
	if (diagnostics.length > 0) {
		const host = { ...ts.sys, getCanonicalFileName: (name) => name, getNewLine: () => "\n" };
		throw new SyntaxError(ts.formatDiagnostics(diagnostics, host).trimEnd());
	}
	keep(kept, outputText);
	return outputText;
}

function keep(path, text) {
	try {
		mkdirSync(directory, { recursive: true });
		// Others read and write it at the same time.
		const unfinished = `${path}.${randomUUID()}`;
		writeFileSync(unfinished, text);
		renameSync(unfinished, path);
	} catch {
		// Where it cannot be kept, it is compiled again.
	}
}
