import { ResultAsync } from "neverthrow";
import { explain, type Target } from "./explain";

const silenceMilliseconds = 3_000;
const limitMilliseconds = 15_000;

/**
 * Makes the call that shows whether a target is there at all: it says soon what it waits for, and gives up where `call`
 * would try on for minutes.
 *
 * @returns what it answers, or one sentence that says why it does not
 */
export function firstAnswer<T>(
	target: Target,
	call: (options: { abortSignal: AbortSignal }) => Promise<T>,
	limit = limitMilliseconds,
): ResultAsync<T, string> {
	const answer = tellWaiting(target.what, call({ abortSignal: AbortSignal.timeout(limit) }));
	return ResultAsync.fromPromise(answer, (cause) => explain(cause, target));
}

/** Says on standard error what is waited for, if it takes more than some seconds. */
export async function tellWaiting<T>(what: string, answer: Promise<T>): Promise<T> {
	const timer = setTimeout(() => console.error(`Waiting for ${what}.`), silenceMilliseconds);
	return answer.finally(() => clearTimeout(timer));
}
