import { spawn } from "node:child_process";
import { on, once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { adoptProject, copyProject, edit } from "../testing/adoptedProject";
import { onPosix } from "../testing/command";

const project = dirname(__dirname);

interface Surroundings {
	directory?: string;
	env?: NodeJS.ProcessEnv;
	detached?: boolean;
}

const commandLine = (flags: string[], directory = project) => [
	"--require",
	join(directory, "register.js"),
	join(directory, "local/start.ts"),
	...flags,
];

const spawnStart = (flags: string[], { directory, ...options }: Surroundings = {}) =>
	spawn(process.execPath, commandLine(flags, directory), options);

async function ended(child: ReturnType<typeof spawnStart>) {
	const [output, errors, [status]] = await Promise.all([
		text(child.stdout),
		text(child.stderr),
		once(child, "close"),
	]);
	return { output, errors, status };
}

const start = (...flags: string[]) => ended(spawnStart(flags));

/** The environment of a process that has a directory for temporary files to itself; `left` tells what is there. */
function withTemporaryDirectory(t: ExecutionContext) {
	const directory = mkdtempSync(join(tmpdir(), "start-"));
	t.teardown(() => rmSync(directory, { recursive: true }));
	const names = { TMPDIR: directory, TEMP: directory, TMP: directory };
	const env = { ...process.env, ...names };
	return { env, left: () => readdirSync(directory) };
}

async function withCopy(t: ExecutionContext): Promise<string> {
	const directory = await copyProject();
	t.teardown(() => rmSync(directory, { recursive: true }));
	return directory;
}

/** Reads what a process prints, until a text has come. */
async function printed(child: ReturnType<typeof spawnStart>, awaited: string): Promise<string> {
	let output = "";
	for await (const [chunk] of on(child.stdout, "data", { close: ["close"] })) {
		output += chunk;
		if (output.includes(awaited)) return output;
	}
	throw new Error(`It has ended without printing ${awaited}`);
}

test.serial(
	"it shows a sign-up, from the code in the mail to the link in the token, and that changes and deletions are followed and told of",
	async (t) => {
		const { output, errors, status } = await start("--once", "--port", "0");
		t.is(errors, "");
		t.is(status, 0);
		t.regex(output, /^The program declares \d+ resources, in write mode (event|immediate); up in/m);
		t.regex(output, /Functions of nodejs[^\n]* run on Node\.js v\d+\.\d+\.\d+\./);
		t.notRegex(output, /✖/);
		const mail = /\n✉ Ada@Example\.com: (\d{6}) to confirm the sign-up\n/.exec(output);
		t.true(output.includes(`✔ confirms with the code from the mail\n  code ${mail?.[1]}\n`));
		t.regex(output, /✔ signs in, and the ID token carries the userId\n {2}custom:userId \S+\n/);
		t.regex(output, /(\n {2}User(Created|Updated|Removed) \S+){4}\n$/);
	},
);

// One at a time, as each runs a stack with functions of its own.
for (const [what, signal, flags, when, expected] of [
	["Ctrl-C stops it with status 0", "SIGINT", [], "Ctrl-C stops it", 0],
	[
		"a terminal that is closed fails a demonstration under way",
		"SIGHUP",
		["--once"],
		"signs up",
		1,
	],
] as const) {
	onPosix(`${what}, and nothing is left behind`, async (t) => {
		const { env, left } = withTemporaryDirectory(t);
		const child = spawnStart(["--port", "0", ...flags], { env });
		await printed(child, when);
		t.is(left().length, 1);
		child.kill(signal);
		const { output, errors, status } = await ended(child);
		t.is(errors, "");
		t.notRegex(output, /✖/);
		t.is(status, expected);
		t.deepEqual(left(), []);
	});
}

onPosix(
	"the npm commands that it prints work in another terminal, after its exports",
	async (t) => {
		const child = spawnStart(["--port", "0"]);
		t.teardown(() => child.kill());
		const output = await printed(child, "Ctrl-C stops it");
		const commands = output.match(/^ {2}(export|npm) .+/gm) ?? [];
		const isOfAws = (name: string) => name.startsWith("AWS_");
		const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOfAws(name)));
		const shell = spawn("sh", ["-e", "-c", commands.join("\n")], { cwd: project, env });
		const { output: told, status } = await ended(shell);
		t.is(status, 0, told);
		t.regex(told, /^It works: .*^Accounts listed: 1,/ms);
	},
);

onPosix(
	"Ctrl-C while it starts, which its own processes get too, ends it without a word",
	async (t) => {
		const { env, left } = withTemporaryDirectory(t);
		const child = spawnStart(["--port", "0"], { env, detached: true });
		while (left().length === 0) await setTimeout(20);
		// One of many comes while it bundles.
		const interval = setInterval(() => process.kill(-Number(child.pid), "SIGINT"), 50);
		child.once("exit", () => clearInterval(interval));
		const { output, errors, status } = await ended(child);
		t.is(errors, "");
		t.is(output, "");
		t.not(status, 0);
		t.deepEqual(left(), []);
	},
);

onPosix("it stops when npm's shell has ended, and has passed no signal on", async (t) => {
	const { env, left } = withTemporaryDirectory(t);
	const start = JSON.stringify(commandLine(["--port", "0"]));
	const script = `child_process.spawn(process.execPath, ${start}, { stdio: "inherit" })`;
	const shell = spawn(process.execPath, ["--eval", script], {
		env: { ...env, npm_lifecycle_event: "start" },
	});
	await printed(shell, "signs up");
	shell.kill("SIGKILL");
	const { errors } = await ended(shell); // once both have closed the streams that they share
	t.is(errors, "");
	t.deepEqual(left(), []);
});

test.serial("it stops without a word when nobody reads what it prints", async (t) => {
	const { env, left } = withTemporaryDirectory(t);
	const child = spawnStart(["--port", "0"], { env });
	await once(child.stdout, "data");
	child.stdout.destroy();
	const [errors, [status]] = await Promise.all([text(child.stderr), once(child, "close")]);
	t.is(errors, "");
	t.is(status, 0);
	t.deepEqual(left(), []);
});

test.serial(
	"a flag that it does not know, or a port that is none, is told in a sentence",
	async (t) => {
		const unknown = await start("--onse");
		t.is(unknown.status, 2);
		t.regex(unknown.errors, /^Unknown option '--onse'; see npm start -- --help\.\n$/);
		for (const port of ["http", "65536"]) {
			const none = await start("--port", port);
			t.is(none.status, 2);
			t.regex(none.errors, /^Option '--port .*: it must be a number up to 65535; see .*\n$/);
		}
		const help = await start("--help");
		t.is(help.status, 0);
		t.regex(help.output, /^Usage: npm start -- /);
	},
);

test.serial("a port in use is told in a sentence that says how to take another", async (t) => {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	const port = address instanceof Object ? address.port : t.fail();
	const { errors, status } = await start("--once", "--port", String(port));
	server.close();
	t.is(status, 1);
	t.regex(errors, new RegExp(`^Port ${port} is in use: .* -- --port ${port + 1}\\.\\n$`));
});

test.serial(
	"a port that is not the user's to listen on is told in a sentence that says how to take another",
	async (t) => {
		// Root may listen anywhere; nobody may not, nor read this directory, it may be.
		const drop = process.getuid?.() === 0 ? "process.setuid(65534);" : "";
		const run = (script: string) =>
			ended(
				spawn(process.execPath, ["--require", "./register.js", "--eval", script], {
					cwd: project,
				}),
			);
		const taken = await run(
			`${drop} net.createServer().on("error", ({ code }) => console.log(code)).listen(80, "127.0.0.1", process.exit)`,
		);
		if (taken.output !== "EACCES\n") {
			t.pass();
			t.log("Any user may listen on port 80 here, or it is in use.");
			return;
		}
		const { output } = await run(
			`const { openEndpoint } = require("./local/endpoint"); ${drop} openEndpoint(80).catch(({ message }) => console.log(message))`,
		);
		t.regex(output, /^Port 80 is not this user's to listen on: .* -- --port 4566\.\n$/);
	},
);

test.serial(
	"settings that are not YAML are told in a sentence, and nothing is left behind",
	async (t) => {
		const { env, left } = withTemporaryDirectory(t);
		const directory = await withCopy(t);
		await edit(directory, "Pulumi.dev.yaml", () => "config:\n  region: [\n");
		const child = spawnStart(["--once", "--port", "0"], { env, directory });
		const { errors, status } = await ended(child);
		t.is(status, 1);
		t.regex(errors, /^Pulumi\.dev\.yaml is not valid YAML: [^\n]* at line \d+, column \d+\.\n$/);
		t.deepEqual(left(), []);
	},
);

test.serial(
	"when a step fails, it shows what the functions have logged as errors; outputs that it cannot give it tells once",
	async (t) => {
		const directory = await withCopy(t);
		const handler = 'export const handler = async () => { throw new Error("no luck"); };';
		await edit(directory, "handlers/postConfirmation.ts", () => handler);
		await edit(directory, "index.ts", (source) => `${source}\nexport const fromAws = undefined;\n`);
		const child = spawnStart(["--once", "--port", "0"], { directory });
		const { output, errors, status } = await ended(child);
		t.is(errors, "");
		t.is(status, 1);
		t.regex(output, /\nOutputs that only AWS can give: fromAws\.\n/);
		t.regex(output, /✖[^\n]*\npostConfirmation has logged:\n {2}[^\n]*no luck[^\n]*\n$/);
	},
);

test.serial(
	"when every step holds, it shows what a subscriber has logged as errors all the same",
	async (t) => {
		const directory = await adoptProject();
		t.teardown(() => rmSync(directory, { recursive: true }));
		// It is not tried again.
		await edit(directory, "handlers/sendWelcome.ts", (source) =>
			source
				.replace(/parseChange\(event\).*/s, 'errAsync({ type: "InvalidAddress", issues: [] }));')
				.replace(/^import/m, 'import { errAsync } from "neverthrow";\nimport'),
		);
		const { output, errors, status } = await ended(
			spawnStart(["--once", "--port", "0"], { directory }),
		);
		t.is(errors, "");
		t.is(status, 0);
		t.notRegex(output, /✖/);
		t.regex(output, /\nsendWelcome has logged:\n {2}[^\n]*InvalidAddress/);
	},
);
