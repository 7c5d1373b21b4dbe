import { createHash, randomUUID } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { type Call, type Service, ServiceError } from "../endpoint";
import { declared, type Program } from "../program";

interface Message {
	answer: { MessageId: string; Body: string; MD5OfBody: string; ReceiptHandle: string };
	/** The time until which its last receiver alone has it. */
	hiddenUntil: number;
}

/** The fields of SQS's requests that are read here. */
interface Request {
	QueueUrl?: string;
	MessageBody?: string;
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
	const queues = new Map(
		declared(program, "aws:sqs/queue:Queue").map(({ id, arn, inputs }) => {
			const hiddenSeconds = inputs.visibilityTimeoutSeconds ?? 30;
			return [new URL(id).pathname, { arn, hiddenSeconds, messages: new Set<Message>() }];
		}),
	);

	return async ({ operation, body }: Call) => {
		const request: Request = body;
		// By its path alone: a client may know this machine by another name.
		const queue = queues.get(request.QueueUrl?.replace(/^https?:\/\/[^/]+/, "") ?? "");
		if (!queue) {
			const message = `The specified queue does not exist: ${request.QueueUrl}`;
			throw new ServiceError("com.amazonaws.sqs#QueueDoesNotExist", message);
		}
		const { arn, messages } = queue;
		const visible = [...messages].filter(({ hiddenUntil }) => hiddenUntil <= Date.now());
		switch (operation) {
			case "SendMessage": {
				const { MessageBody: Body = "" } = request;
				const MessageId = randomUUID();
				const MD5OfBody = createHash("md5").update(Body).digest("hex");
				const answer = { MessageId, Body, MD5OfBody, ReceiptHandle: "" };
				messages.add({ answer, hiddenUntil: 0 });
				return { MessageId, MD5OfMessageBody: MD5OfBody };
			}
			case "ReceiveMessage": {
				const { MaxNumberOfMessages = 1, VisibilityTimeout = queue.hiddenSeconds } = request;
				const received = visible.slice(0, MaxNumberOfMessages);
				for (const message of received) {
					message.answer.ReceiptHandle = randomUUID();
					message.hiddenUntil = Date.now() + VisibilityTimeout * 1000;
				}
				return { Messages: received.map(({ answer }) => answer) };
			}
			case "DeleteMessage":
				for (const message of messages) {
					if (message.answer.ReceiptHandle === request.ReceiptHandle) messages.delete(message);
				}
				return {};
			case "GetQueueAttributes":
				return {
					Attributes: {
						QueueArn: arn,
						ApproximateNumberOfMessages: String(visible.length),
						ApproximateNumberOfMessagesNotVisible: String(messages.size - visible.length),
					},
				};
			default:
				throw new ServiceError("UnsupportedOperation", `There is no ${operation} here.`);
		}
	};
}
