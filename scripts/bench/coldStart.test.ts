import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { testProgram } from "../../testing/testStack";
import { archivesOf } from "./archives";
import { coldStart, invocations, write } from "./coldStart";
import { serveInstantAws } from "./instantAws";

for (const writeMode of ["event", "immediate"]) {
	test(`in ${writeMode} mode a function looks nothing up in files for its first event, and sends no call but its own`, async (t) => {
		const directory = await mkdtemp(join(tmpdir(), "cold-start-"));
		t.teardown(() => rm(directory, { recursive: true }));
		const aws = await serveInstantAws();
		t.teardown(aws.close);
		const archives = await archivesOf(await testProgram({ writeMode }));
		for (const [name, { event }] of Object.entries(invocations)) {
			const surroundings = { nodejs: process.execPath, endpoint: aws.url, writeMode };
			const index = await write(join(directory, name), archives.get(name) ?? new Map());
			const { errors, loaded } = await coldStart(index, event, surroundings);
			t.deepEqual(errors, [], name);
			const calls = aws.takeCalls();
			t.true(calls > 0, name);
			if (writeMode === "event") t.is(calls, 1, `${name} sends no call that it rehearses`);
			const needless = loaded.filter((module) => /fs\/promises$|undici| zlib$/.test(module));
			t.deepEqual(needless, [], name);
		}
	});
}
