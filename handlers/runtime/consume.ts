import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import type { Result } from "neverthrow";
import { createSendDeadLetter } from "../../adapters/deadLetterQueue";
import { consumerClientOptions } from "./clientOptions";
import { environment } from "./environment";
import { type Failure, logFailure } from "./log";

/** The work on one event, as EventBridge delivers it. */
type Work<T, E extends Failure> = (event: unknown) => Result<T, E> | PromiseLike<Result<T, E>>;

const sendDeadLetter = createSendDeadLetter(
	environment("DEAD_LETTER_QUEUE_URL"),
	consumerClientOptions,
);

/**
 * Makes the handler of a `Subscriber`: it does the work on each event of a batch, side by side, and answers which are to come again.
 *
 * What the work answers as an error whose type begins with `Invalid` or `Corrupt` can never succeed: its event goes to the dead-letter
 * queue at once. Any other error, and whatever the work throws, is tried again for as long as the subscriber's queue says. Each is logged.
 *
 * An event comes at least once, and its order is not kept: the work bears being done again.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 *
 * @example
 * ```ts
 * export const handler = consume((event) => parseEvent(event).asyncAndThen(({ account }) => greet(account)));
 * ```
 */
export function consume<T, E extends Failure>(
	work: Work<T, E>,
): (batch: SQSEvent) => Promise<SQSBatchResponse> {
	async function isDone(body: string): Promise<boolean> {
		const failure = await failureOf(work, body);
		if (!failure) return true;
		logFailure(failure);
		if (!/^(Invalid|Corrupt)/.test(failure.type)) return false;
		const sent = await sendDeadLetter(body);
		if (sent.isErr()) logFailure(sent.error);
		return sent.isOk();
	}

	return async ({ Records }) => {
		const done = await Promise.all(Records.map(({ body }) => isDone(body)));
		return {
			batchItemFailures: Records.filter((_, index) => !done[index]).map(({ messageId }) => ({
				itemIdentifier: messageId,
			})),
		};
	};
}

async function failureOf<T, E extends Failure>(
	work: Work<T, E>,
	body: string,
): Promise<Failure | undefined> {
	let event: unknown;
	try {
		event = JSON.parse(body);
	} catch {
		return { type: "InvalidEvent", issues: [{ path: "", message: "must be JSON" }] };
	}
	try {
		const result = await work(event);
		return result.isErr() ? result.error : undefined;
	} catch (cause) {
		return { type: "UnexpectedError", cause };
	}
}
