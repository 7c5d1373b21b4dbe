import { randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { RunError } from "@pulumi/pulumi/errors";
import { type Call, type Endpoint, ServiceError } from "../endpoint";
import { type Declared, declared, type Program, streamArn } from "../program";
import type { StreamRecord } from "./dynamodb";
import { compilePattern } from "./eventPattern";
import { nameOf } from "./lambda";
import { queueUrl, type ReceivedMessage } from "./sqs";

/** Without a maximum, Lambda begins with five batches of a queue at once. */
const DEFAULT_CONCURRENCY = 5;
/** A call that fails is repeated after this time; a batch of a stream too, then after twice that, and so on. */
const RETRY_MS = 50;
const LONGEST_RETRY_MS = 1000;
/** A second of a visibility time-out or of a record's age is a millisecond here, so that nobody waits for six hours. */
const MS_PER_SECOND = 1;

/** The fields of AWS's answers that are read here. */
interface Answer {
	Attributes?: { VisibilityTimeout: string };
	Messages?: ReceivedMessage[];
	Streams?: { StreamArn: string }[];
	StreamDescription?: { Shards: { ShardId: string }[] };
	ShardIterator?: string;
	Records?: StreamRecord[];
	NextShardIterator?: string;
	FunctionError?: string;
	Payload?: string;
}

type Mapping = Declared<"aws:lambda/eventSourceMapping:EventSourceMapping">;

/** Where messages or records come from: it tells of arrivals by the ARN of the queue or stream. */
interface Source {
	onArrival(listener: (arn: string) => void): void;
}

interface Queues extends Source {
	show(queueArn: string, receipts: readonly string[]): void;
}

/**
 * Lambda's event source mappings, for declared queues and streams. What a mapping reads and deletes, it does with the role of its
 * function; all its work, pauses before a retry included, goes on in the background of the endpoint.
 *
 * @returns the mappings that are not run, as what they read or invoke is not declared.
 * Throws `pulumi.RunError` if a mapping asks for what is not run here.
 */
export function startEventSourceMappings(
	program: Program,
	endpoint: Endpoint,
	sqs: Queues,
	dynamodb: Source,
): string[] {
	const notRun: string[] = [];
	for (const mapping of declared(program, "aws:lambda/eventSourceMapping:EventSourceMapping")) {
		const { eventSourceArn, functionName, enabled } = mapping.inputs;
		const fn = declared(program, "aws:lambda/function:Function").find(
			({ physicalName }) => physicalName === nameOf(functionName),
		);
		const queue = declared(program, "aws:sqs/queue:Queue").find(
			({ arn }) => arn === eventSourceArn,
		);
		const table = declared(program, "aws:dynamodb/table:Table").find(
			({ arn, inputs }) => inputs.streamEnabled && streamArn(arn) === eventSourceArn,
		);
		if (!fn || !(queue || table)) notRun.push(`${mapping.type} ${mapping.name}`);
		else if (enabled === false) continue;
		else if (queue) consumeQueue(endpoint, program.region, mapping, fn, queue, sqs);
		else if (table) consumeStream(program, endpoint, mapping, fn, table.physicalName, dynamodb);
	}
	return notRun;
}

function consumeQueue(
	endpoint: Endpoint,
	awsRegion: string,
	{ name, inputs }: Mapping,
	fn: Declared<"aws:lambda/function:Function">,
	{ arn, id: QueueUrl }: Declared<"aws:sqs/queue:Queue">,
	sqs: Queues,
): void {
	if (inputs.filterCriteria) {
		throw new RunError(
			`The event source mapping ${name} filters the messages of a queue, which the embedded stack cannot: let the function do it, or teach local/aws/eventSourceMapping.ts to.`,
		);
	}
	const { batchSize = 10 } = inputs;
	const asFunction = callerOf(endpoint, fn.name, "sqs");
	let visibilityMs: number | undefined;

	async function consume(messages: readonly ReceivedMessage[]): Promise<void> {
		const records = messages.map((message) => ({
			messageId: message.MessageId,
			receiptHandle: message.ReceiptHandle,
			body: message.Body,
			attributes: message.Attributes,
			messageAttributes: {},
			md5OfBody: message.MD5OfBody,
			eventSource: "aws:sqs",
			eventSourceARN: arn,
			awsRegion,
		}));
		const ids = messages.map(({ MessageId }) => MessageId);
		const failed = await invoke(endpoint, "sqs", inputs, fn, ids, records);
		const left: string[] = [];
		for (const { MessageId, ReceiptHandle } of messages) {
			const deleted =
				!failed.includes(MessageId) &&
				(await asFunction("DeleteMessage", { QueueUrl, ReceiptHandle }));
			if (!deleted) left.push(ReceiptHandle);
		}
		if (left.length === 0) return;
		// AWS counts the visibility time-out from the receipt; from here, it cannot be over too early for being so short.
		endpoint.inBackground(async () => {
			await endpoint.pause(visibilityMs ?? 0);
			sqs.show(arn, left);
		});
	}

	onArrival(endpoint, sqs, arn, inputs.scalingConfig?.maximumConcurrency, async () => {
		if (visibilityMs === undefined) {
			const AttributeNames = ["VisibilityTimeout"];
			const queue = await asFunction("GetQueueAttributes", { QueueUrl, AttributeNames });
			if (!queue?.Attributes) return undefined;
			visibilityMs = Number(queue.Attributes.VisibilityTimeout) * MS_PER_SECOND;
		}
		const received = await asFunction("ReceiveMessage", {
			QueueUrl,
			MaxNumberOfMessages: batchSize,
			MessageSystemAttributeNames: ["All"],
		});
		if (received?.Messages?.length) await consume(received.Messages);
		return received?.Messages?.length;
	});
}

function consumeStream(
	program: Program,
	endpoint: Endpoint,
	{ name, inputs }: Mapping,
	fn: Declared<"aws:lambda/function:Function">,
	TableName: string,
	dynamodb: Source,
): void {
	const { batchSize = 100, maximumRecordAgeInSeconds = -1, maximumRetryAttempts = -1 } = inputs;
	const StreamArn = String(inputs.eventSourceArn);
	const filters = inputs.filterCriteria?.filters?.map(({ pattern = "{}" }) =>
		compilePattern(pattern, `the event source mapping ${name}`),
	);
	const destination = inputs.destinationConfig?.onFailure?.destinationArn;
	const destinationUrl = destination === undefined ? undefined : queueUrl(program, destination);
	const asFunction = callerOf(endpoint, fn.name, "dynamodbstreams");
	let shardId = "";
	let iterator: string | undefined;

	/** Where the shard begins; the stream is as old as the stack, so that `LATEST` would be the same. */
	async function findShard(): Promise<string | undefined> {
		const listed = await asFunction("ListStreams", { TableName });
		if (!listed?.Streams?.some((stream) => stream.StreamArn === StreamArn)) return undefined;
		const described = await asFunction("DescribeStream", { StreamArn });
		shardId = described?.StreamDescription?.Shards[0]?.ShardId ?? "";
		if (shardId === "") return undefined;
		const begun = await asFunction("GetShardIterator", {
			StreamArn,
			ShardId: shardId,
			ShardIteratorType: "TRIM_HORIZON",
		});
		return begun?.ShardIterator;
	}

	/** Hands records over in order, until each is done or given up. */
	async function consume(batch: readonly StreamRecord[]): Promise<void> {
		const ids = batch.map(({ dynamodb }) => dynamodb.SequenceNumber);
		const records = batch.map((record) => toEvent(record, StreamArn));
		for (let attempt = 1; ; attempt++) {
			const failed = await invoke(endpoint, "dynamodb", inputs, fn, ids, records);
			if (failed.length === 0) return;
			// The first that has failed comes again, and all after it.
			const done = ids.findIndex((id) => failed.includes(id));
			if (done > 0) return consume(batch.slice(done));
			if (inputs.bisectBatchOnFunctionError && batch.length > 1) {
				const half = Math.ceil(batch.length / 2);
				await consume(batch.slice(0, half));
				return consume(batch.slice(half));
			}
			const condition = reasonToGiveUp(batch, attempt);
			if (condition) return discard(batch, attempt, condition);
			await endpoint.pause(Math.min(RETRY_MS * 2 ** (attempt - 1), LONGEST_RETRY_MS));
		}
	}

	function reasonToGiveUp([first]: readonly StreamRecord[], attempt: number): string | undefined {
		if (maximumRetryAttempts >= 0 && attempt > maximumRetryAttempts)
			return "RetryAttemptsExhausted";
		const age = Date.now() - Number(first?.dynamodb.ApproximateCreationDateTime);
		const tooOld =
			maximumRecordAgeInSeconds >= 0 && age > maximumRecordAgeInSeconds * MS_PER_SECOND;
		return tooOld ? "RecordAgeExceeded" : undefined;
	}

	/** Sends Lambda's record of a batch to the destination: where its records are, not what they hold. */
	async function discard(batch: readonly StreamRecord[], attempts: number, condition: string) {
		const [first, last] = [batch[0]?.dynamodb, batch.at(-1)?.dynamodb];
		const record = {
			requestContext: {
				requestId: randomUUID(),
				functionArn: `${fn.arn}:$LATEST`,
				condition,
				approximateInvokeCount: attempts,
			},
			responseContext: {
				statusCode: 200,
				executedVersion: "$LATEST",
				functionError: "Unhandled",
			},
			version: "1.0",
			timestamp: new Date(),
			DDBStreamBatchInfo: {
				shardId,
				startSequenceNumber: first?.SequenceNumber,
				endSequenceNumber: last?.SequenceNumber,
				approximateArrivalOfFirstRecord: first?.ApproximateCreationDateTime,
				approximateArrivalOfLastRecord: last?.ApproximateCreationDateTime,
				batchSize: batch.length,
				streamArn: StreamArn,
			},
		};
		const message = { QueueUrl: destinationUrl, MessageBody: JSON.stringify(record) };
		if (destinationUrl) await callerOf(endpoint, fn.name, "sqs")("SendMessage", message);
	}

	onArrival(endpoint, dynamodb, StreamArn, 1, async () => {
		iterator ??= await findShard();
		if (iterator === undefined) return undefined;
		const read = await asFunction("GetRecords", { ShardIterator: iterator, Limit: batchSize });
		if (!read?.Records) return undefined;
		iterator = read.NextShardIterator;
		const batch = read.Records.filter(
			(record) => filters?.some((filter) => filter(record)) ?? true,
		);
		if (batch.length > 0) await consume(batch);
		return read.Records.length;
	});
}

/**
 * Polls a source from each arrival on until nothing is left, never more often than `maximum` at once.
 *
 * @param poll - answers how much it has got, and `undefined` if it may not read: then the next arrival is waited for.
 */
function onArrival(
	endpoint: Endpoint,
	source: Source,
	arn: string,
	maximum = DEFAULT_CONCURRENCY,
	poll: () => Promise<number | undefined>,
): void {
	let arrivals = 0;
	let pollers = 0;

	async function run(): Promise<void> {
		try {
			await setImmediate(); // what arrives at once comes in one batch
			for (;;) {
				const seen = arrivals;
				const got = await poll();
				if (got === undefined || (got === 0 && seen === arrivals)) return;
			}
		} finally {
			pollers--;
		}
	}

	source.onArrival((arrivedAt) => {
		if (arrivedAt !== arn) return;
		arrivals++;
		if (pollers >= maximum) return;
		pollers++;
		endpoint.inBackground(run);
	});
}

/** Makes calls with the role of a function: what fails is repeated, and what the role does not allow is `undefined`. */
function callerOf(endpoint: Endpoint, caller: string, service: Call["service"]) {
	return async (operation: string, body: object): Promise<Answer | undefined> => {
		for (;;) {
			try {
				return await endpoint.call({ service, operation, body, caller });
			} catch (error) {
				if (!(error instanceof ServiceError)) throw error;
				if (error.code === "AccessDeniedException") return undefined;
				await endpoint.pause(RETRY_MS);
			}
		}
	};
}

/** Invokes a function with a batch, as a service that needs no permission for that; answers what of it has failed. */
async function invoke(
	endpoint: Endpoint,
	caller: "sqs" | "dynamodb",
	{ functionResponseTypes, eventSourceArn: sourceArn }: Mapping["inputs"],
	fn: Declared<"aws:lambda/function:Function">,
	ids: readonly string[],
	Records: readonly object[],
): Promise<readonly string[]> {
	const body = { FunctionName: fn.arn, Payload: JSON.stringify({ Records }) };
	const call = { service: "lambda", operation: "Invoke", body, caller, sourceArn } as const;
	try {
		const answer: Answer = await endpoint.call(call);
		if (answer.FunctionError !== undefined) return ids;
		if (!functionResponseTypes?.includes("ReportBatchItemFailures")) return [];
		return reported(ids, JSON.parse(answer.Payload || "null"));
	} catch (error) {
		if (error instanceof ServiceError) return ids;
		throw error;
	}
}

/**
 * What an answer says has failed: everything, if it is malformed.
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 */
function reported(ids: readonly string[], answer: unknown): readonly string[] {
	const failures: unknown = Object(answer).batchItemFailures ?? [];
	if (!Array.isArray(failures)) return ids;
	const failed = failures.map((each) => Object(each).itemIdentifier);
	return failed.every((id) => ids.includes(id)) ? failed : ids;
}

/** A record as a function gets it, which has times in whole seconds. */
function toEvent(record: StreamRecord, eventSourceARN: string): object {
	const time = Math.floor(Number(record.dynamodb.ApproximateCreationDateTime) / 1000);
	return {
		...record,
		dynamodb: { ...record.dynamodb, ApproximateCreationDateTime: time },
		eventSourceARN,
	};
}
