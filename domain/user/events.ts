import { err, ok, type Result } from "neverthrow";
import type { InvalidEvent, InvalidIdentity } from "../errors";
import { type Account, readIdentity } from "./identity";

/** The `source` of every event of this project: what a rule of the event bus matches on. */
export const eventSource = "user-profiles";

/**
 * The `detail-type`s: a person has confirmed a sign-up, or has signed in. Either says that an account exists,
 * and what Cognito said of it at that time.
 */
export const eventTypes = ["UserConfirmed", "UserAuthenticated"] as const;

export type EventType = (typeof eventTypes)[number];

/** Raised when a change of a detail would break those who read it. */
const version = 1;

/** An event as this project's handlers and any other subscriber read it. */
export interface UserEvent {
	readonly type: EventType;
	readonly account: Account;
}

/** An event as EventBridge takes it; `detail` is JSON, with the `version`. */
export interface EventEntry {
	readonly source: string;
	readonly detailType: string;
	readonly detail: string;
}

/** Writes an event: `{ version, identity, userId? }`. */
export const toEventEntry = ({ type, account }: UserEvent): EventEntry => toEntry(type, account);

/** Writes an event of any type of this project. */
export function toEntry(
	detailType: string,
	detail: object,
	replacer?: (key: string, value: unknown) => unknown,
): EventEntry {
	return {
		source: eventSource,
		detailType,
		detail: JSON.stringify({ version, ...detail }, replacer),
	};
}

/**
 * Reads an event. Use it in whatever subscribes to the bus. It throws for no input. Attributes that this version does not know
 * are left out, so that it reads what a newer one has published.
 *
 * @param input what EventBridge delivers: an object, as Lambda passes it, or JSON text, as a queue does
 * @returns `InvalidEvent` for what is not JSON, of another source, type or version;
 * `InvalidIdentity` for one that is ours and does not hold a user
 */
export function parseEvent(input: unknown): Result<UserEvent, InvalidEvent | InvalidIdentity> {
	return parseEntry(input, eventTypes).andThen(({ type, detail: { identity, userId } }) =>
		readIdentity(identity).map((identity) => ({
			type,
			account: { identity, ...(typeof userId === "string" && { userId }) },
		})),
	);
}

/** Reads what an event of one of some types of this project holds; what its detail means is left to the caller. */
export function parseEntry<Type extends string>(
	input: unknown,
	types: readonly Type[],
): Result<{ type: Type; detail: Readonly<Record<string, unknown>> }, InvalidEvent> {
	const event = typeof input === "string" ? parseJson(input) : input;
	if (!isRecord(event)) return invalidEvent("", "must be a JSON object");
	if (event.source !== eventSource) return invalidEvent("source", `must be "${eventSource}"`);
	const type = types.find((known) => known === event["detail-type"]);
	if (type === undefined) return invalidEvent("detail-type", `must be one of ${types.join(", ")}`);
	const detail = event.detail;
	if (!isRecord(detail)) return invalidEvent("detail", "must be an object");
	if (detail.version !== version) return invalidEvent("detail.version", `must be ${version}`);
	return ok({ type, detail });
}

export const invalidEvent = (path: string, message: string) =>
	err<never, InvalidEvent>({ type: "InvalidEvent", issues: [{ path, message }] });

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
	typeof value === "object" && value !== null;

function parseJson(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}
