import { setTimeout } from "node:timers/promises";
import type { Result, ResultAsync } from "neverthrow";
import type {
	AccountNotFound,
	CorruptUser,
	InvalidIdentity,
	StoreUnavailable,
	UserNotFound,
	UserPoolUnavailable,
} from "../domain";
import { toMessage } from "./run";

/** What is waited for is not so yet; `what` says how it is. */
export interface NotYet {
	readonly type: "NotYet";
	readonly what: string;
}

export const notYet = (what: string): NotYet => ({ type: "NotYet", what });

/** Why what is waited for does not hold. */
export type Reason =
	| NotYet
	| AccountNotFound
	| CorruptUser
	| InvalidIdentity
	| StoreUnavailable
	| UserNotFound
	| UserPoolUnavailable;

const shortestPause = 50;
const longestPause = 1_000;

/**
 * Asks again and again, with growing pauses of up to a second, until it holds, cannot hold any more, or so many seconds are over.
 *
 * @returns the last answer
 */
export async function until<T, E extends Reason>(
	seconds: number,
	ask: () => ResultAsync<T, E>,
): Promise<Result<T, E>> {
	const end = performance.now() + 1_000 * seconds;
	for (let pause = shortestPause; ; pause = Math.min(2 * pause, longestPause)) {
		const answer = await ask();
		const left = end - performance.now();
		if (answer.isOk() || !mayPass(answer.error) || left <= 0) return answer;
		await setTimeout(Math.min(pause, left));
	}
}

/** Whether it may hold the next time. */
export function mayPass(reason: Reason): boolean {
	switch (reason.type) {
		case "NotYet":
		case "UserNotFound":
			return true;
		case "StoreUnavailable":
		case "UserPoolUnavailable":
			return reason.retryable;
		case "AccountNotFound":
		case "CorruptUser":
		case "InvalidIdentity":
			return false;
	}
}

/** The reason in words. */
export function inWords(reason: Reason): string {
	switch (reason.type) {
		case "NotYet":
			return reason.what;
		case "UserNotFound":
			return "there is no such profile";
		case "AccountNotFound":
			return "the account is gone";
		case "StoreUnavailable":
		case "UserPoolUnavailable":
			return `${reason.type} (${toMessage(reason.cause)})`;
		case "CorruptUser":
		case "InvalidIdentity": {
			const issues = reason.issues.map(({ path, message }) => `${path} ${message}`);
			return `${reason.type}: ${issues.join(", ")}`;
		}
	}
}
