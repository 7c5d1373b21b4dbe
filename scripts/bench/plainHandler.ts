import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import type { PostConfirmationTriggerEvent } from "aws-lambda";

// The handler that most tutorials show: what the project's own functions are measured against.
const client = new DynamoDBClient({});

export async function handler(event: PostConfirmationTriggerEvent) {
	if (event.triggerSource === "PostConfirmation_ConfirmSignUp") {
		await client.send(
			new PutItemCommand({
				TableName: process.env.TABLE_NAME,
				Item: {
					id: { S: event.userName },
					email: { S: event.request.userAttributes.email ?? "" },
				},
			}),
		);
	}
	return event;
}
