import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import type { Stack } from "../local/stack";

/** An event as EventBridge takes it, of whatever source and type; `detail` is JSON. */
export interface TestEvent {
	readonly source: string;
	readonly detailType: string;
	readonly detail: string;
}

/** Puts events on the bus of a stack, as an operator does, and waits until all that they led to has ended. */
export async function publishEvents(stack: Stack, ...events: readonly TestEvent[]): Promise<void> {
	await new EventBridgeClient(stack.clientOptions).send(
		new PutEventsCommand({
			Entries: events.map(({ source, detailType, detail }) => ({
				EventBusName: stack.outputs.eventBusName,
				Source: source,
				DetailType: detailType,
				Detail: detail,
			})),
		}),
	);
	await stack.settled();
}
