import { ReceiveMessageCommand, SQSClient, StartMessageMoveTaskCommand } from "@aws-sdk/client-sqs";
import type { BusEvent } from "../local/aws/eventBridge";
import { declared } from "../local/program";
import type { Stack } from "../local/stack";

/** The events that rest in a dead-letter queue of a stack, that of recordUser unless told otherwise; they stay there. */
export async function deadLetters(
	stack: Stack,
	queueUrl = stack.outputs.deadLetterQueueUrl,
): Promise<BusEvent[]> {
	const { Messages = [] } = await new SQSClient(stack.clientOptions).send(
		new ReceiveMessageCommand({
			QueueUrl: queueUrl,
			MaxNumberOfMessages: 1000, // AWS takes 10
			VisibilityTimeout: 0,
		}),
	);
	return Messages.map(({ Body = "" }) => JSON.parse(Body));
}

/**
 * Brings back what rests in recordUser's, as an operator does once what was broken works, and waits until all that it led to has
 * ended.
 */
export async function redrive(stack: Stack): Promise<void> {
	const arnOf = (name: string) =>
		declared(stack.program, "aws:sqs/queue:Queue").find((queue) => queue.name === name)?.arn;
	await new SQSClient(stack.clientOptions).send(
		new StartMessageMoveTaskCommand({
			SourceArn: arnOf("recordUser-deadLetters"),
			// Without it, what EventBridge has sent there itself would stay.
			DestinationArn: arnOf("recordUser"),
		}),
	);
	await stack.settled();
}
