import { createHash, randomUUID } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { type Call, type Service, ServiceError } from "../endpoint";
import { declared, type Program } from "../program";

interface Message {
	MessageId: string;
	ReceiptHandle: string;
	Body: string;
	MD5OfBody: string;
	MessageAttributes: object | undefined;
}

interface Queue {
	arn: string;
	hiddenSeconds: number;
	/** The messages, each with the time until which its last receiver alone has it. */
	messages: Map<Message, number>;
}

/** The fields of SQS's requests that are read here. */
interface Request {
	QueueUrl?: string;
	MessageBody?: string;
	MessageAttributes?: object;
	MaxNumberOfMessages?: number;
	VisibilityTimeout?: number;
	ReceiptHandle?: string;
}

/** The URL of the declared queue with an ARN. Throws `pulumi.RunError` if the program has none. */
export function queueUrl(program: Program, arn: string): string {
	const queue = declared(program, "aws:sqs/queue:Queue").find((each) => each.arn === arn);
	if (queue) return queue.id;
	throw new pulumi.RunError(
		`The program sends failures to ${arn}, which is no queue that it declares: name one of its aws.sqs.Queue.`,
	);
}

/** SQS with the declared queues: what it takes to look into a dead-letter queue, and to empty it. */
export function createSqs(program: Program): Service {
	const queues = new Map<string, Queue>();
	for (const { id, arn, inputs } of declared(program, "aws:sqs/queue:Queue")) {
		const hiddenSeconds = inputs.visibilityTimeoutSeconds ?? 30;
		queues.set(new URL(id).pathname, { arn, hiddenSeconds, messages: new Map() });
	}

	return async ({ operation, body }: Call) => {
		const request: Request = body;
		// By its path alone: a client may know this machine by another name.
		const path = request.QueueUrl?.replace(/^https?:\/\/[^/]+/, "") ?? "";
		const queue = queues.get(path);
		if (!queue) {
			const message = `The specified queue does not exist: ${request.QueueUrl}`;
			throw new ServiceError("com.amazonaws.sqs#QueueDoesNotExist", message);
		}
		switch (operation) {
			case "SendMessage":
				return sendMessage(queue, request);
			case "ReceiveMessage":
				return receiveMessages(queue, request);
			case "DeleteMessage":
				for (const message of queue.messages.keys()) {
					if (message.ReceiptHandle === request.ReceiptHandle) queue.messages.delete(message);
				}
				return {};
			case "GetQueueAttributes": {
				const hidden = queue.messages.size - visible(queue).length;
				return {
					Attributes: {
						QueueArn: queue.arn,
						ApproximateNumberOfMessages: String(queue.messages.size - hidden),
						ApproximateNumberOfMessagesNotVisible: String(hidden),
					},
				};
			}
			default:
				throw new ServiceError("UnsupportedOperation", `There is no ${operation} here.`);
		}
	};
}

function visible({ messages }: Queue): Message[] {
	return [...messages].filter(([, until]) => until <= Date.now()).map(([message]) => message);
}

function sendMessage({ messages }: Queue, { MessageBody: Body = "", MessageAttributes }: Request) {
	const MessageId = randomUUID();
	const MD5OfBody = createHash("md5").update(Body).digest("hex");
	messages.set({ MessageId, ReceiptHandle: "", Body, MD5OfBody, MessageAttributes }, 0);
	return { MessageId, MD5OfMessageBody: MD5OfBody };
}

function receiveMessages(queue: Queue, { MaxNumberOfMessages = 1, VisibilityTimeout }: Request) {
	const Messages = visible(queue).slice(0, MaxNumberOfMessages);
	for (const message of Messages) {
		message.ReceiptHandle = randomUUID();
		const seconds = VisibilityTimeout ?? queue.hiddenSeconds;
		queue.messages.set(message, Date.now() + seconds * 1000);
	}
	return { Messages };
}
