import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { unmarshall } from "@aws-sdk/util-dynamodb";
import type {
	DynamoDBBatchResponse,
	DynamoDBRecord,
	DynamoDBStreamEvent,
	StreamRecord,
} from "aws-lambda";
import { err, ok, type Result } from "neverthrow";
import { createSendDeadLetter } from "../adapters/deadLetterQueue";
import { createPublishAll, type EventRejected, type PublishError } from "../adapters/eventBus";
import type { CorruptUser } from "../domain/errors";
import { toChange, toChangeEntry } from "../domain/user/changes";
import type { EventEntry } from "../domain/user/events";
import { subOfPartition } from "../domain/user/keys";
import { consumerClientOptions } from "./runtime/clientOptions";
import { environment } from "./runtime/environment";
import { type Failure, logFailure } from "./runtime/log";

const publishAll = createPublishAll(
	environment("EVENT_BUS_NAME"),
	new EventBridgeClient(consumerClientOptions),
);
const sendDeadLetter = createSendDeadLetter(
	environment("DEAD_LETTER_QUEUE_URL"),
	consumerClientOptions,
);

/**
 * Consumes the table's stream: publishes what its records tell of users, in order. A record of which nothing can ever be
 * published rests whole in the dead-letter queue, and those after it go on.
 *
 * @returns the first record that was not published and may be later: Lambda brings it and all after it again, so that an event
 * comes at least once: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
 */
export async function handler({ Records }: DynamoDBStreamEvent): Promise<DynamoDBBatchResponse> {
	const read = Records.map((record) => ({ record, entry: entryOf(record) }));
	const published = await publishAll(
		read.flatMap(({ entry }) => (entry.isOk() && entry.value ? [entry.value] : [])),
	);
	const results = published.values();
	for (const { record, entry } of read) {
		const told = entry.andThen((entry) =>
			entry ? (results.next().value ?? notTried).map(() => entry.detailType) : ok(undefined),
		);
		if (!(await settle(record, told))) {
			return { batchItemFailures: [{ itemIdentifier: record.dynamodb?.SequenceNumber ?? "" }] };
		}
	}
	return { batchItemFailures: [] };
}

const notTried = err<never, EventRejected>({
	type: "EventRejected",
	retryable: true,
	cause: undefined,
});

/** What is to be published of a record: nothing, if it says nothing. Whatever throws on it would throw again. */
function entryOf(record: DynamoDBRecord): Result<EventEntry | undefined, CorruptUser | Failure> {
	try {
		const { SequenceNumber = "", OldImage, NewImage } = record.dynamodb ?? {};
		return toChange({
			sequence: SequenceNumber,
			oldItem: toItem(OldImage),
			newItem: toItem(NewImage),
		}).map((change) => change && toChangeEntry(change));
	} catch (cause) {
		return err({ type: "UnexpectedError", cause });
	}
}

/** Logs which type of event was published of a record, if any, or why none was, and lays it to rest. `false`: it has to come again. */
async function settle(
	record: DynamoDBRecord,
	told: Result<string | undefined, PublishError | CorruptUser | Failure>,
): Promise<boolean> {
	const { Keys, SequenceNumber: sequence } = record.dynamodb ?? {};
	const sub = subOfPartition(Keys?.PK?.S ?? "");
	if (told.isOk()) {
		if (told.value) console.info({ type: told.value, sub, sequence });
		return true;
	}
	logFailure({ ...told.error, sub });
	if (told.error.type === "EventRejected") return false;
	const sent = await sendDeadLetter(toMessage(record));
	if (sent.isErr()) logFailure({ ...sent.error, sub });
	return sent.isOk();
}

/** The most that SQS takes: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html */
const mostBytes = 1024 * 1024;

/** The record whole, as JSON; one that is too large for SQS without its items: its key says whose it is. */
function toMessage({ dynamodb, ...record }: DynamoDBRecord): string {
	const whole = JSON.stringify({ ...record, dynamodb });
	if (Buffer.byteLength(whole) <= mostBytes) return whole;
	const { OldImage, NewImage, ...rest } = dynamodb ?? {};
	return JSON.stringify({ ...record, dynamodb: rest });
}

/** An item of a record as the clients of DynamoDB read one: Lambda gives its bytes as text. */
function toItem(image: StreamRecord["NewImage"]): unknown {
	return image && unmarshall(JSON.parse(JSON.stringify(image), toBytes));
}

function toBytes(name: string, value: unknown): unknown {
	if (name === "B" && typeof value === "string") return bytes(value);
	if (name === "BS" && Array.isArray(value)) return value.map(bytes);
	return value;
}

const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));
