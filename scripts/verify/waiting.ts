import { clearLine, cursorTo } from "node:readline";
import type { Writable } from "node:stream";

/** A stream that may be a terminal, as the standard ones are. */
type Terminal = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** Without a terminal, a line is written each so many seconds. */
const linesEvery = 10;

/**
 * Says on a stream, such as standard error, what is waited for and since when: on a terminal in one line, which is gone in the
 * end, and in plain lines otherwise.
 *
 * @returns what ends it
 */
export function showWaiting(stream: Terminal, what: string, limit: number): () => void {
	let seconds = 0;
	const erase = () => {
		cursorTo(stream, 0);
		clearLine(stream, 0);
	};
	const timer = setInterval(() => {
		seconds++;
		const told = `${what}: ${seconds} s, of at most ${limit} s for each wait`;
		if (stream.isTTY) {
			erase();
			// A line that wraps could not be erased.
			stream.write(told.slice(0, (stream.columns ?? 80) - 1));
		} else if (seconds % linesEvery === 0) {
			stream.write(`${told}\n`);
		}
	}, 1_000);
	return () => {
		clearInterval(timer);
		if (stream.isTTY && seconds > 0) erase();
	};
}
