import { SingleBar } from "cli-progress";
import type { Progress } from "../../domain/sync/reconcile";

/** Without a terminal, a line is written for each so many. */
const linesEvery = 1_000;

type Output = NodeJS.WritableStream & { readonly isTTY?: boolean };

/** Shows how far the work is: a bar on a terminal, which `stop` leaves as it is, and plain lines otherwise. */
export interface ProgressView {
	show(progress: Progress): void;
	stop(): void;
}

/** Opens a view on a stream, such as standard error; it ends with `signal`, and leaves the stream to others. */
export function progressView(stream: Output, signal: AbortSignal): ProgressView {
	const { show, stop } = stream.isTTY ? bar(stream) : lines(stream);
	signal.addEventListener("abort", stop);
	return { show: (progress) => signal.aborted || show(progress), stop };
}

function lines(stream: Output): ProgressView {
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

function bar(stream: Output): ProgressView {
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
					// It would turn off the terminal's wrapping, which stays so if the program is killed.
					linewrap: true,
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
