import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, PutCommand } from "@aws-sdk/lib-dynamodb";
import type { PostConfirmationTriggerEvent } from "aws-lambda";

// The handler that most tutorials show: what the project's own functions are measured against.
const client = DynamoDBDocumentClient.from(new DynamoDBClient({}));

export async function handler(event: PostConfirmationTriggerEvent) {
	const { email } = event.request.userAttributes;
	// Once, but where what it is measured against makes more calls.
	for (let calls = Number(process.env.CALLS); calls > 0; calls--) {
		await client.send(
			new PutCommand({ TableName: process.env.TABLE_NAME, Item: { id: event.userName, email } }),
		);
	}
	return event;
}
