import type { WriteStream } from "node:tty";
import { SingleBar } from "cli-progress";
import type { Progress } from "../../domain/sync/reconcile";

/** Without a terminal, a line is written for each so many. */
const linesEvery = 1_000;

/** Shows how far the work is: a bar on a terminal, which `stop` leaves as it is, and plain lines otherwise. */
export interface ProgressView {
	show(progress: Progress): void;
	stop(): void;
}

/** Opens a view on a stream, such as standard error. */
export function progressView(stream: WriteStream): ProgressView {
	return stream.isTTY ? bar(stream) : lines(stream);
}

function lines(stream: WriteStream): ProgressView {
	let told = { phase: "", times: 0 };
	return {
		show: ({ phase, done, total }) => {
			if (told.phase !== phase) told = { phase, times: 0 };
			const times = Math.floor(done / linesEvery);
			if (times > told.times) stream.write(`${phase}: ${done}${of(total)}\n`);
			told = { phase, times };
		},
		stop: () => {},
	};
}

function bar(stream: WriteStream): ProgressView {
	let current: { readonly phase: string; readonly bar: SingleBar } | undefined;
	const stop = () => {
		current?.bar.stop();
		current = undefined;
	};
	return {
		show: ({ phase, done, total }) => {
			if (current?.phase !== phase) {
				stop();
				const drawn = total === undefined ? "" : "[{bar}] ";
				const bar = new SingleBar({
					stream,
					format: `${phase} ${drawn}{value}{of}, {duration_formatted}`,
					barsize: 30,
					// Ctrl-C is the program's to handle.
					gracefulExit: false,
				});
				bar.start(total ?? 0, 0, { of: of(total) });
				current = { phase, bar };
			}
			// The total was an estimate.
			if (total !== undefined && done > total) current.bar.setTotal(done);
			current.bar.update(done);
		},
		stop,
	};
}

const of = (total: number | undefined) => (total === undefined ? "" : ` of about ${total}`);
