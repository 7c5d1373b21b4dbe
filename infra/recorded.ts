import type { BundledFunction } from "./bundledFunction";
import { type Metric, ownMetric } from "./metric";

/** What a function may say that it has written. */
const outcomes = ["created", "updated", "linked", "removed"];

/** Counts what a function says that it has written: its lines `{ outcome, by }`. */
export function countRecorded(fn: BundledFunction): void {
	const tests = outcomes.map((outcome) => `($.message.outcome = "${outcome}")`);
	const fields = { Outcome: "$.message.outcome", By: "$.message.by" };
	fn.count("recorded", `{ ${tests.join(" || ")} }`, ownMetric("Recorded", fields));
}

/** What was written, and on whose account: what `reconcile` had to write, nobody had told of. */
export const recorded = (By: "trigger" | "event" | "reconcile"): Metric[] =>
	outcomes.map((Outcome) => ownMetric("Recorded", { Outcome, By }));
