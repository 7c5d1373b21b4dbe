import { SendMessageCommand, SQSClient, type SQSClientConfig } from "@aws-sdk/client-sqs";
import { ResultAsync } from "neverthrow";
import { isRetryable } from "../domain/errors";

/** SQS did not take a message: it was throttled, timed out or refused. */
export interface QueueUnavailable {
	readonly type: "QueueUnavailable";
	readonly retryable: boolean;
	readonly cause: unknown;
}

/** Lays a JSON value to rest in a dead-letter queue, in one round trip. SQS takes up to 1 MB of it. */
export type SendToDeadLetters = (json: string) => ResultAsync<void, QueueUnavailable>;

/** Makes the sending to one dead-letter queue, with a client of its own: a function that seldom needs it imports both when it does. */
export function createSendToDeadLetters(
	queueUrl: string,
	config: SQSClientConfig,
): SendToDeadLetters {
	const client = new SQSClient(config);
	return (json) =>
		ResultAsync.fromPromise(
			client.send(
				new SendMessageCommand({
					QueueUrl: queueUrl,
					MessageBody: json.replace(/[\ufffe\uffff]/g, escaped),
				}),
			),
			(cause): QueueUnavailable => ({
				type: "QueueUnavailable",
				retryable: isRetryable(cause),
				cause,
			}),
		).map(() => undefined);
}

/** The two characters that JSON leaves as they are, and SQS refuses. */
const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16)}`;
