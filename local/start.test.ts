import { spawn } from "node:child_process";
import { on, once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import test from "ava";

const spawnStart = (...flags: string[]) =>
	spawn(process.execPath, ["--require", "ts-node/register", join(__dirname, "start.ts"), ...flags]);

async function start(...flags: string[]) {
	const child = spawnStart(...flags);
	const [output, errors, [status]] = await Promise.all([
		text(child.stdout),
		text(child.stderr),
		once(child, "close"),
	]);
	return { output, errors, status };
}

test("it shows a sign-up, from the code in the mail to the link in the token, and that changes and deletions are followed and told of", async (t) => {
	const { output, errors, status } = await start("--once", "--port", "0");
	t.is(errors, "");
	t.is(status, 0);
	t.regex(output, /^The program declares \d+ resources, in write mode (event|immediate); up in/);
	t.notRegex(output, /✖/);
	t.regex(output, /✔ signs in, and the ID token carries the userId\n {2}custom:userId \S+\n/);
	t.regex(output, /(\n {2}User(Created|Updated|Removed) \S+){4}\n$/);
});

test("Ctrl-C stops it with status 0", async (t) => {
	const child = spawnStart("--port", "0");
	for await (const [chunk] of on(child.stdout, "data")) {
		if (String(chunk).includes("Ctrl-C stops it")) break;
	}
	child.kill("SIGINT");
	const [status] = await once(child, "exit");
	t.is(status, 0);
});

test("a flag that it does not know, or a port that is none, is told in a sentence", async (t) => {
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
});

test("a port in use is told in a sentence that says how to take another", async (t) => {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	const port = address instanceof Object ? address.port : t.fail();
	const { errors, status } = await start("--once", "--port", String(port));
	server.close();
	t.is(status, 1);
	t.regex(errors, new RegExp(`^Port ${port} is in use: .* -- --port ${port + 1}\\.\\n$`));
});
