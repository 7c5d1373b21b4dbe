import type { BusEvent } from "../local/aws/eventBridge";
import type { Stack } from "../local/stack";
import { publishEvents } from "./publishEvents";

/** An event that rests in the dead-letter queue. */
export interface DeadLetter {
	readonly event: BusEvent;
	readonly receipt: string;
}

/**
 * Reads a dead-letter queue of a stack, that of recordUser unless told otherwise. Lambda leaves its own record of an event
 * there, and EventBridge the event itself.
 */
export async function deadLetters(
	stack: Stack,
	queueUrl = stack.outputs.deadLetterQueueUrl,
): Promise<DeadLetter[]> {
	const { Messages } = await sqs(stack, "ReceiveMessage", {
		QueueUrl: queueUrl,
		MaxNumberOfMessages: 1000,
		VisibilityTimeout: 0,
	});
	return Messages.map(({ Body, ReceiptHandle: receipt }) => {
		const record = JSON.parse(Body);
		return { event: record.requestPayload ?? record, receipt };
	});
}

/** Sends what rests in recordUser's to the bus again, as an operator does once what was broken works, and takes it from the queue. */
export async function replay(stack: Stack): Promise<void> {
	for (const { event, receipt } of await deadLetters(stack)) {
		const { source, "detail-type": detailType, detail } = event;
		await publishEvents(stack, { source, detailType, detail: JSON.stringify(detail) });
		await sqs(stack, "DeleteMessage", {
			QueueUrl: stack.outputs.deadLetterQueueUrl,
			ReceiptHandle: receipt,
		});
	}
}

async function sqs(stack: Stack, operation: string, body: object) {
	const response = await fetch(stack.endpoint, {
		method: "POST",
		headers: { "x-amz-target": `AmazonSQS.${operation}`, authorization: "Credential=local/" },
		body: JSON.stringify(body),
	});
	// What SQS answers to ReceiveMessage; nothing else is read.
	return (await response.json()) as { Messages: { Body: string; ReceiptHandle: string }[] };
}
