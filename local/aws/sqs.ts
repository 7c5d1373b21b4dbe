import { createHash, randomUUID } from "node:crypto";
import { RunError } from "@pulumi/pulumi/errors";
import { type Call, ServiceError } from "../endpoint";
import { declared, type Program } from "../program";

/** A message as ReceiveMessage answers it. */
export interface ReceivedMessage {
	MessageId: string;
	Body: string;
	MD5OfBody: string;
	ReceiptHandle: string;
	Attributes: Record<string, string>;
}

interface Message {
	readonly id: string;
	readonly body: string;
	/** When it was sent, in milliseconds. */
	readonly sent: number;
	/** The ARN of the queue that SQS has moved it from, when it rests in a dead-letter queue. */
	readonly movedFrom?: string;
	/** What its last receiver was given to delete it with. */
	receipt?: string;
	/** How often it was received from this queue. */
	receives: number;
	/** The time until which its last receiver alone has it. */
	hiddenUntil: number;
}

interface Queue {
	readonly arn: string;
	readonly url: string;
	/** Of its URL. */
	readonly path: string;
	readonly hiddenSeconds: number;
	readonly redrive: { deadLetterTargetArn?: string; maxReceiveCount?: number };
	/** From the oldest to the newest. */
	readonly messages: Set<Message>;
}

/** The fields of SQS's requests that are read here. */
interface Request {
	QueueUrl?: string;
	QueueNamePrefix?: string;
	MessageBody?: string;
	Entries?: { Id: string; MessageBody: string }[];
	MaxNumberOfMessages?: number;
	VisibilityTimeout?: number;
	ReceiptHandle?: string;
	SourceArn?: string;
	DestinationArn?: string;
}

/** The URL of the declared queue with an ARN. Throws `pulumi.RunError` if the program has none. */
export function queueUrl(program: Program, arn: string): string {
	const queue = declared(program, "aws:sqs/queue:Queue").find((each) => each.arn === arn);
	if (queue) return queue.id;
	throw new RunError(
		`The program sends failures to ${arn}, which is no queue that it declares: name one of its aws.sqs.Queue.`,
	);
}

/**
 * SQS with the declared queues.
 *
 * @returns the service; `onArrival`, which tells of each queue that has got messages, by its ARN; and `show`, which ends the
 * visibility time-out of messages, by their receipts.
 */
export function createSqs(program: Program) {
	const queues = declared(program, "aws:sqs/queue:Queue").map(({ id, arn, inputs }): Queue => {
		const redrive = JSON.parse(inputs.redrivePolicy ?? "{}");
		if (inputs.redrivePolicy !== undefined) queueUrl(program, redrive.deadLetterTargetArn);
		const hiddenSeconds = inputs.visibilityTimeoutSeconds ?? 30;
		return {
			arn,
			url: id,
			path: new URL(id).pathname,
			hiddenSeconds,
			redrive,
			messages: new Set(),
		};
	});
	const listeners: ((queueArn: string) => void)[] = [];

	function arrived({ arn }: Queue): void {
		for (const listener of listeners) listener(arn);
	}

	function byArn(arn: string | undefined): Queue {
		return queues.find((queue) => queue.arn === arn) ?? missingQueue(arn);
	}

	function byUrl(url = ""): Queue {
		// By its path alone: a client may know this machine by another name.
		const path = url.replace(/^https?:\/\/[^/]+/, "");
		return queues.find((queue) => queue.path === path) ?? missingQueue(url);
	}

	function send(queue: Queue, body: string) {
		const message = { id: randomUUID(), body, sent: Date.now(), receives: 0, hiddenUntil: 0 };
		queue.messages.add(message);
		return { MessageId: message.id, MD5OfMessageBody: md5(body) };
	}

	/** Takes messages from the front; those that were received too often go to the dead-letter queue instead. */
	function receive(queue: Queue, count: number, hiddenSeconds: number): ReceivedMessage[] {
		const received: ReceivedMessage[] = [];
		const { maxReceiveCount = Number.POSITIVE_INFINITY, deadLetterTargetArn } = queue.redrive;
		for (const message of visible(queue)) {
			if (received.length === count) break;
			if (message.receives >= maxReceiveCount) {
				queue.messages.delete(message);
				const deadLetters = byArn(deadLetterTargetArn);
				deadLetters.messages.add({ ...message, movedFrom: queue.arn, receives: 0 });
				arrived(deadLetters);
				continue;
			}
			message.receives++;
			message.receipt = randomUUID();
			message.hiddenUntil = Date.now() + hiddenSeconds * 1000;
			received.push(toReceived(message, message.receipt));
		}
		return received;
	}

	/** Moves messages out of a dead-letter queue: to one queue, or each to where SQS has moved it from. */
	function move({ SourceArn, DestinationArn }: Request): void {
		const from = byArn(SourceArn);
		if (!queues.some(({ redrive }) => redrive.deadLetterTargetArn === from.arn)) {
			const message = "Source queue must be configured as a Dead Letter Queue.";
			throw new ServiceError("InvalidParameterValue", message);
		}
		const reached = new Set<Queue>();
		for (const message of visible(from)) {
			const arn = DestinationArn ?? message.movedFrom;
			// AWS, too, leaves what was sent straight to the dead-letter queue, and so came from nowhere.
			if (arn === undefined) continue;
			const to = byArn(arn);
			from.messages.delete(message);
			send(to, message.body); // AWS, too, makes a new message of it
			reached.add(to);
		}
		reached.forEach(arrived);
	}

	return {
		onArrival: (listener: (queueArn: string) => void): void => void listeners.push(listener),

		show(queueArn: string, receipts: readonly (string | undefined)[]): void {
			const queue = byArn(queueArn);
			for (const message of queue.messages) {
				if (message.receipt && receipts.includes(message.receipt)) message.hiddenUntil = 0;
			}
			arrived(queue);
		},

		async service({ operation, body }: Call): Promise<object> {
			const request: Request = body;
			if (operation === "StartMessageMoveTask") {
				move(request);
				return { TaskHandle: randomUUID() };
			}
			if (operation === "ListQueues") {
				const { QueueNamePrefix: prefix = "" } = request;
				const named = queues.filter(({ path }) => path.split("/").at(-1)?.startsWith(prefix));
				return { QueueUrls: named.map(({ url }) => url) };
			}
			const queue = byUrl(request.QueueUrl);
			const { messages } = queue;
			switch (operation) {
				case "SendMessage": {
					const sent = send(queue, request.MessageBody ?? "");
					arrived(queue);
					return sent;
				}
				case "SendMessageBatch": {
					const { Entries = [] } = request;
					const Successful = Entries.map(({ Id, MessageBody }) => ({
						Id,
						...send(queue, MessageBody),
					}));
					arrived(queue);
					return { Successful, Failed: [] };
				}
				case "ReceiveMessage": {
					const { MaxNumberOfMessages = 1, VisibilityTimeout = queue.hiddenSeconds } = request;
					return { Messages: receive(queue, MaxNumberOfMessages, VisibilityTimeout) };
				}
				case "DeleteMessage":
					for (const message of messages) {
						if (message.receipt === request.ReceiptHandle) messages.delete(message);
					}
					return {};
				case "PurgeQueue":
					messages.clear();
					return {};
				case "GetQueueAttributes": {
					const there = visible(queue).length;
					return {
						Attributes: {
							QueueArn: queue.arn,
							VisibilityTimeout: String(queue.hiddenSeconds),
							ApproximateNumberOfMessages: String(there),
							ApproximateNumberOfMessagesNotVisible: String(messages.size - there),
						},
					};
				}
				default:
					throw new ServiceError("UnsupportedOperation", `There is no ${operation} here.`);
			}
		},
	};
}

const md5 = (text: string) => createHash("md5").update(text).digest("hex");

/** The messages of a queue that nobody has at the moment. */
function visible({ messages }: Queue): Message[] {
	const now = Date.now();
	return [...messages].filter(({ hiddenUntil }) => hiddenUntil <= now);
}

/** AWS answers the attributes only to whoever asks for them; nobody minds them here. */
function toReceived(message: Message, ReceiptHandle: string): ReceivedMessage {
	const { id: MessageId, body: Body, sent, receives, movedFrom } = message;
	const Attributes = {
		ApproximateReceiveCount: String(receives),
		SentTimestamp: String(sent),
		...(movedFrom !== undefined && { DeadLetterQueueSourceArn: movedFrom }),
	};
	return { MessageId, Body, MD5OfBody: md5(Body), ReceiptHandle, Attributes };
}

function missingQueue(queue = ""): never {
	const message = `The specified queue does not exist: ${queue}`;
	throw new ServiceError("com.amazonaws.sqs#QueueDoesNotExist", message);
}
