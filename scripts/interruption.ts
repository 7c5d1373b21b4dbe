import { constants } from "node:os";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Whether somebody wants a command to end, which then ends in its own time. */
export interface Interruption {
	readonly signal: AbortSignal;
	/** The exit status of what has been interrupted: as shells have it, 128 and the number of the signal. */
	readonly status: number;
	/** Does as Ctrl-C does, where a prompt has taken it. */
	interrupt(): void;
}

/**
 * Takes the first signal that would end the program: it aborts, once `onSignal` has said what that means. A second one ends
 * the program at once.
 */
export function takeSignals(onSignal: () => void): Interruption {
	const controller = new AbortController();
	let status = 128 + constants.signals.SIGINT;
	const interrupt = (name: NodeJS.Signals) => {
		for (const one of signals) process.off(one, interrupt);
		status = 128 + constants.signals[name];
		onSignal();
		controller.abort();
	};
	for (const one of signals) process.on(one, interrupt);
	return {
		signal: controller.signal,
		get status() {
			return status;
		},
		interrupt: () => controller.abort(),
	};
}
