import type { Fault } from "../faults";
import { declared } from "../program";
import type { Stack } from "../stack";

/** What can be broken on the page, and the service that then fails. */
const BREAKABLE = new Map<string, Fault["service"]>([
	["table", "dynamodb"],
	["bus", "events"],
]);

export type Outages = ReturnType<typeof createOutages>;

/** Breaks a service for every function that the program declares; the page itself goes on to see what is there. */
export function createOutages(stack: Stack) {
	const lifts = new Map<string, (() => void)[]>();

	function end(what: string): void {
		for (const lift of lifts.get(what) ?? []) lift();
		lifts.delete(what);
	}

	return {
		begin(what: string): void {
			const service = BREAKABLE.get(what);
			if (!service) throw new Error(`There is nothing called ${what} to break.`);
			end(what);
			const functions = declared(stack.program, "aws:lambda/function:Function");
			lifts.set(
				what,
				functions.map(({ name: caller }) => stack.fault({ service, caller, kind: "fail" })),
			);
		},
		end,
		list: () => [...BREAKABLE.keys()].map((what) => ({ what, down: lifts.has(what) })),
	};
}
