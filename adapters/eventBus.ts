import { type EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { err, ok, type Result, ResultAsync } from "neverthrow";
import { type InvalidEvent, isRetryable } from "../domain/errors";
import { type EventEntry, toEventEntry, type UserEvent } from "../domain/user/events";

/** EventBridge did not take an event: it was throttled, timed out, refused, or reported the entry as failed. */
export interface EventRejected {
	readonly type: "EventRejected";
	readonly retryable: boolean;
	readonly cause: unknown;
}

/** Why an event was not published; `InvalidEvent` if EventBridge will never take it, as it is too large, say. */
export type PublishError = EventRejected | InvalidEvent;

/** Publishes one event, in one round trip. */
export type Publish = (event: UserEvent) => ResultAsync<void, PublishError>;

/** Makes the publishing to one event bus. */
export function createPublish(eventBusName: string, client: EventBridgeClient): Publish {
	const putEvents = createPutEvents(eventBusName, client);
	return (event) => putEvents([toEventEntry(event)]).andThen(([result = ok()]) => result);
}

/**
 * Publishes events in order, up to ten in one round trip. It never throws.
 *
 * @returns for each event, in order, whether it was published; nothing of those that come after a round trip in which
 * one was `EventRejected`
 */
export type PublishAll = (
	events: readonly EventEntry[],
) => Promise<readonly Result<void, PublishError>[]>;

/** The most entries that PutEvents takes: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html */
const mostEntries = 10;

/** Makes the publishing of many events to one event bus. */
export function createPublishAll(eventBusName: string, client: EventBridgeClient): PublishAll {
	const putEvents = createPutEvents(eventBusName, client);

	async function publish(entries: readonly EventEntry[], atOnce: number) {
		const results: Result<void, PublishError>[] = [];
		for (let from = 0; from < entries.length; from += atOnce) {
			results.push(...(await put(entries.slice(from, from + atOnce))));
			if (results.some((each) => each.isErr() && each.error.type === "EventRejected")) break;
		}
		return results;
	}

	async function put(
		entries: readonly EventEntry[],
	): Promise<readonly Result<void, PublishError>[]> {
		const put = await putEvents(entries);
		if (put.isOk()) return put.value;
		// Together they may be too large, or one of them is: one at a time tells which.
		const apart = put.error.type === "InvalidEvent" && entries.length > 1;
		return apart ? publish(entries, 1) : entries.map(() => err(put.error));
	}

	return (entries) => publish(entries, mostEntries);
}

/** Makes the one call; what it answers has a result for each entry. */
const createPutEvents =
	(eventBusName: string, client: EventBridgeClient) =>
	(
		entries: readonly EventEntry[],
	): ResultAsync<readonly Result<void, PublishError>[], PublishError> =>
		ResultAsync.fromPromise(
			client.send(
				new PutEventsCommand({
					Entries: entries.map(({ source, detailType, detail }) => ({
						EventBusName: eventBusName,
						Source: source,
						DetailType: detailType,
						Detail: detail,
					})),
				}),
			),
			(cause) => toError(cause, isRetryable(cause)),
		).map(({ Entries = [] }) =>
			// Failed entries come in an answer that looks like a success.
			entries.map((_, index) => {
				const { EventId, ErrorCode } = Entries[index] ?? {};
				return EventId === undefined ? err(toError({ name: ErrorCode }, true)) : ok();
			}),
		);

/**
 * The errors that are about an event itself: of an entry, and of a call, which takes 1 MB in all.
 * https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
 */
const aboutEvents = ["InvalidArgument", "MalformedDetail", "ValidationException"];
const contentTooLarge = 413;

function toError(cause: unknown, retryable: boolean): PublishError {
	const { name, $metadata } = Object(cause);
	if (!aboutEvents.includes(name) && $metadata?.httpStatusCode !== contentTooLarge) {
		return { type: "EventRejected", retryable, cause };
	}
	const message = `is refused by EventBridge: ${name}`;
	return { type: "InvalidEvent", issues: [{ path: "", message }] };
}
