import { PassThrough } from "node:stream";
import test from "ava";
import { progressView } from "./progress";

/** A stream that says that it is a terminal; `written` is what it was given. */
function fakeTerminal() {
	const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
	return { stream, written: () => String(stream.read() ?? "") };
}

const phase = "recording accounts";

test("an interruption leaves the bar as it is, and the lines below it to others", (t) => {
	const { stream, written } = fakeTerminal();
	const interruption = new AbortController();
	const view = progressView(stream, interruption.signal);
	t.teardown(view.stop);
	view.show({ phase, done: 0, total: 40 });
	view.show({ phase, done: 10, total: 40 });
	interruption.abort();
	const drawn = written();
	t.regex(drawn, /10 of about 40/);
	t.true(drawn.endsWith("\n"));
	view.show({ phase, done: 11, total: 40 });
	view.show({ phase: "checking profiles", done: 0, total: 40 });
	view.stop();
	t.is(written(), "");
});

test("a terminal wraps its lines as before, even if the program is killed while it draws", (t) => {
	const { stream, written } = fakeTerminal();
	const view = progressView(stream, new AbortController().signal);
	t.teardown(view.stop);
	view.show({ phase, done: 0, total: 40 });
	t.false(written().includes("\x1b[?7l"));
});
