import { type EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { err, ok, ResultAsync } from "neverthrow";
import { isRetryable } from "../domain/errors";
import { toEventEntry, type UserEvent } from "../domain/user/events";

/** EventBridge did not take an event: it was throttled, timed out, refused, or reported the entry as failed. */
export interface EventRejected {
	readonly type: "EventRejected";
	readonly retryable: boolean;
	readonly cause: unknown;
}

/** Publishes one event, in one round trip. */
export type Publish = (event: UserEvent) => ResultAsync<void, EventRejected>;

/** Makes the publishing to one event bus. */
export function createPublish(eventBusName: string, client: EventBridgeClient): Publish {
	return (event) => {
		const { source, detailType, detail } = toEventEntry(event);
		const command = new PutEventsCommand({
			Entries: [
				{ EventBusName: eventBusName, Source: source, DetailType: detailType, Detail: detail },
			],
		});
		return ResultAsync.fromPromise(client.send(command), (cause) =>
			rejected(isRetryable(cause), cause),
		).andThen(({ FailedEntryCount, Entries }) =>
			// Failed entries come in an answer that looks like a success:
			// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
			FailedEntryCount ? err(rejected(true, { name: Entries?.[0]?.ErrorCode })) : ok(undefined),
		);
	};
}

const rejected = (retryable: boolean, cause: unknown): EventRejected => ({
	type: "EventRejected",
	retryable,
	cause,
});
