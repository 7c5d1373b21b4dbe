import { constants } from "node:os";

/** Those that ask a program to end; Windows knows the first, and a console that is closed. */
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Whether somebody wants a command to end, which then ends in its own time. */
export interface Interruption {
	readonly signal: AbortSignal;
	/** The exit status of a command that was interrupted: as a shell has it, 128 and the number of the signal. */
	readonly status: () => number;
}

/** Takes the first signal that asks the program to end, and aborts; a second one ends it at once. */
export function takeSignals(): Interruption {
	const controller = new AbortController();
	let taken: NodeJS.Signals = "SIGINT";
	const take = (signal: NodeJS.Signals) => {
		for (const one of signals) process.off(one, take);
		taken = signal;
		controller.abort();
	};
	for (const one of signals) process.on(one, take);
	return { signal: controller.signal, status: () => 128 + constants.signals[taken] };
}
