import type { SQSClientConfig } from "@aws-sdk/client-sqs";
import { ResultAsync } from "neverthrow";
import { isRetryable } from "../domain/errors";

/** SQS did not take a dead letter: it was throttled, timed out or refused. */
export interface DeadLetterRejected {
	readonly type: "DeadLetterRejected";
	readonly retryable: boolean;
	readonly cause: unknown;
}

/** Puts one message, which is JSON, into a dead-letter queue, in one round trip. SQS takes up to 1 MB. */
export type SendDeadLetter = (json: string) => ResultAsync<void, DeadLetterRejected>;

/** Makes the sending to one dead-letter queue. The client is loaded with the first letter, which most functions never send. */
export function createSendDeadLetter(QueueUrl: string, config: SQSClientConfig): SendDeadLetter {
	let loaded: Promise<(body: string) => Promise<unknown>> | undefined;

	async function load() {
		const { SendMessageCommand, SQSClient } = await import("@aws-sdk/client-sqs");
		// So that it goes where every other call goes, whatever host the URL names.
		const client = new SQSClient({ ...config, useQueueUrlAsEndpoint: false });
		return (MessageBody: string) => client.send(new SendMessageCommand({ QueueUrl, MessageBody }));
	}

	async function send(json: string): Promise<void> {
		loaded ??= load();
		await (await loaded)(json.replace(/[\ufffe\uffff]/g, escaped));
	}

	return (json) =>
		ResultAsync.fromPromise(send(json), (cause) => ({
			type: "DeadLetterRejected",
			retryable: isRetryable(cause),
			cause,
		}));
}

/** The two characters that JSON leaves as they are, and SQS refuses. */
const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16)}`;
