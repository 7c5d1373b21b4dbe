import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import type { BusEvent } from "../local/aws/eventBridge";
import type { Stack } from "../local/stack";

/** An event that rests in the dead-letter queue. */
export interface DeadLetter {
	readonly event: BusEvent;
	readonly receipt: string;
}

/** Reads the dead-letter queue of a stack, where Lambda leaves its own record of an event, and EventBridge the event itself. */
export async function deadLetters(stack: Stack): Promise<DeadLetter[]> {
	const { Messages } = await sqs(stack, "ReceiveMessage", {
		MaxNumberOfMessages: 1000,
		VisibilityTimeout: 0,
	});
	return Messages.map(({ Body, ReceiptHandle: receipt }) => {
		const record = JSON.parse(Body);
		return { event: record.requestPayload ?? record, receipt };
	});
}

/** Sends every dead letter to the bus again, as an operator does once what was broken works, and takes it from the queue. */
export async function replay(stack: Stack): Promise<void> {
	const bus = new EventBridgeClient(stack.clientOptions);
	for (const { event, receipt } of await deadLetters(stack)) {
		await bus.send(
			new PutEventsCommand({
				Entries: [
					{
						EventBusName: stack.outputs.eventBusName,
						Source: event.source,
						DetailType: event["detail-type"],
						Detail: JSON.stringify(event.detail),
					},
				],
			}),
		);
		await sqs(stack, "DeleteMessage", { ReceiptHandle: receipt });
	}
	await stack.settled();
}

async function sqs(stack: Stack, operation: string, body: object) {
	const response = await fetch(stack.endpoint, {
		method: "POST",
		headers: { "x-amz-target": `AmazonSQS.${operation}`, authorization: "Credential=local/" },
		body: JSON.stringify({ QueueUrl: stack.outputs.deadLetterQueueUrl, ...body }),
	});
	// What SQS answers to ReceiveMessage; nothing else is read.
	return (await response.json()) as { Messages: { Body: string; ReceiptHandle: string }[] };
}
