import type { Issue } from "../../domain/errors";

/** Anything that can go wrong in a function: an error of the domain or of an adapter, or one of the function's own. */
export interface Failure {
	readonly type: string;
	/** Whom it is about. */
	readonly sub?: string | undefined;
	readonly issues?: readonly Issue[];
	readonly retryable?: boolean;
	/** What was thrown. */
	readonly cause?: unknown;
}

/** What recordUser did, and on whose account it was asked to: of the triggers, of an event, or of reconcile. */
export interface Recorded {
	readonly outcome: string;
	readonly sub: string;
	readonly by: "trigger" | "event" | "reconcile";
}

/** Logs what was recorded as a structured line, which the metrics count. It names the person by `sub` alone. */
export function logRecorded(recorded: Recorded): void {
	console.info(recorded);
}

/**
 * Logs a failure as a structured line of level ERROR, which the alarms count. It names the person by `sub` alone:
 * what is logged never holds an email, a name, a token, or a message of a service, which might.
 */
export function logFailure({ type, sub, issues, retryable, cause }: Failure): void {
	console.error({ type, sub, issues, retryable, cause: nameOf(cause) });
}

/** What kind of error it was: Node.js names a failed connection by code, AWS its own errors by name. */
function nameOf(cause: unknown): unknown {
	const { code, name } = Object(cause);
	return code ?? name;
}
