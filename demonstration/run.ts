import { styleText } from "node:util";

/** Why a step could not show what it is for, where nothing is wrong. */
export class Skipped {
	constructor(readonly why: string) {}
}

/** Does one thing to a stack, and resolves with what was seen. Rejects with an `Error` that says what was not as it should be. */
export type Step = () => Promise<string | Skipped>;

/** Steps by the words that tell of them, in order; each needs those before it. */
export type Steps = Readonly<Record<string, Step>>;

/** What became of a step. */
export interface StepResult {
	readonly name: string;
	readonly outcome: "held" | "skipped" | "failed";
	readonly detail: string;
	readonly milliseconds: number;
}

/** Takes one step. It never rejects. */
export async function take(name: string, step: Step): Promise<StepResult> {
	const begun = performance.now();
	const result = (outcome: StepResult["outcome"], detail: string): StepResult => {
		return { name, outcome, detail, milliseconds: Math.round(performance.now() - begun) };
	};
	try {
		const seen = await step();
		return typeof seen === "string" ? result("held", seen) : result("skipped", seen.why);
	} catch (error) {
		return result("failed", toMessage(error));
	}
}

/** What was thrown, in words: AWS's errors have a name that says more than the message. */
export function toMessage(error: unknown): string {
	const { name = "Error", message = "" } = Object(error);
	return name === "Error" ? message : `${name}: ${message}`;
}

/** A step for people to read: what it is about, and under it what was seen. */
export function toText({ name, outcome, detail }: StepResult): string {
	const indented = styleText("dim", detail.replaceAll("\n", "\n  "));
	switch (outcome) {
		case "held":
			return `${styleText("green", "✔")} ${name}\n  ${indented}`;
		case "skipped":
			return `${styleText("yellow", "-")} ${name}: skipped\n  ${indented}`;
		case "failed":
			return `${styleText("red", "✖")} ${name}: ${detail}`;
	}
}
