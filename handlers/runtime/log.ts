import type { QueueUnavailable } from "../../adapters/deadLetterQueue";
import type { EventRejected } from "../../adapters/eventBus";
import type { InvalidEvent, InvalidIdentity } from "../../domain/errors";
import type { RecordUserError } from "../../domain/sync/record";

/** The work did not end within the time that a trigger has for it. */
export interface DeadlineExceeded {
	readonly type: "DeadlineExceeded";
}

/** Something threw that should not have. */
export interface UnexpectedError {
	readonly type: "UnexpectedError";
	readonly cause: unknown;
}

/** Everything that can go wrong in a function. */
export type LoggedError =
	| InvalidEvent
	| InvalidIdentity
	| RecordUserError
	| EventRejected
	| QueueUnavailable
	| DeadlineExceeded
	| UnexpectedError;

/**
 * Logs a failure as a structured line of level ERROR, which the alarms count. It names the person by `sub` alone:
 * what is logged never holds an email, a name, a token, or a message of a service, which might.
 */
export function logFailure(failure: LoggedError, sub?: string): void {
	console.error({ type: failure.type, sub, ...details(failure) });
}

function details(failure: LoggedError): Readonly<Record<string, unknown>> {
	switch (failure.type) {
		case "InvalidEvent":
		case "InvalidIdentity":
		case "CorruptUser":
			return { issues: failure.issues };
		case "StoreUnavailable":
		case "UserPoolUnavailable":
		case "EventRejected":
		case "QueueUnavailable":
			return { retryable: failure.retryable, cause: nameOf(failure.cause) };
		case "UnexpectedError":
			return { cause: nameOf(failure.cause) };
		case "ConcurrentUpdate":
			return { retryable: true };
		case "DeadlineExceeded":
			return {};
	}
}

/** What kind of error it was: Node.js names a failed connection by code, AWS its own errors by name. */
function nameOf(cause: unknown): unknown {
	const { code, name } = Object(cause);
	return code ?? name;
}
