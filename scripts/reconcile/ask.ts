import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

/**
 * Asks a question, to which only `y` or `yes` is a yes; all else, the end of the input, and `signal` are a no. The terminal
 * stays as it is, so that Ctrl-C is a signal here, too.
 */
export async function ask(
	question: string,
	input: Readable,
	output: Writable,
	signal: AbortSignal,
): Promise<boolean> {
	output.write(`${question} [y/N] `);
	const lines = createInterface({ input, signal, terminal: false });
	const ended = once(lines, "close").then(() => [undefined]);
	const [answer] = await Promise.race([once(lines, "line"), ended]);
	lines.close();
	if (answer === undefined) output.write("\n");
	return /^y(es)?$/i.test(answer?.trim());
}
