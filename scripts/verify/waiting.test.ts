import { once } from "node:events";
import { PassThrough } from "node:stream";
import test from "ava";
import { showWaiting } from "./waiting";

test("on a terminal one line tells what is waited for, and is gone in the end", async (t) => {
	const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 40 });
	let written = "";
	terminal.on("data", (chunk) => {
		written += chunk;
	});
	const stop = showWaiting(terminal, "the profile is in the table", 30);
	while (!written.includes("2 s")) await once(terminal, "data");
	stop();
	await once(terminal.end(), "end");
	const erased = "\u001b[1G\u001b[2K";
	t.is(
		written,
		`${erased}the profile is in the table: 1 s, of at${erased}the profile is in the table: 2 s, of at${erased}`,
	);
});
