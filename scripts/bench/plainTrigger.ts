import {
	AdminUpdateUserAttributesCommand,
	CognitoIdentityProviderClient,
} from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { DynamoDBDocumentClient, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import type { PostConfirmationTriggerEvent } from "aws-lambda";

// The calls of a trigger in immediate mode, each as plainly as one can write it: what such a trigger is measured against.
const table = DynamoDBDocumentClient.from(new DynamoDBClient({}));
const userPool = new CognitoIdentityProviderClient({});
const bus = new EventBridgeClient({});

export async function handler(event: PostConfirmationTriggerEvent) {
	const { sub, email, "custom:userId": linked } = event.request.userAttributes;
	const TableName = process.env.TABLE_NAME;
	if (linked === undefined) {
		await table.send(new PutCommand({ TableName, Item: { id: sub, email } }));
		await userPool.send(
			new AdminUpdateUserAttributesCommand({
				UserPoolId: event.userPoolId,
				Username: event.userName,
				UserAttributes: [{ Name: "custom:userId", Value: sub }],
			}),
		);
	} else {
		await table.send(new GetCommand({ TableName, Key: { id: sub } }));
	}
	const Detail = JSON.stringify({ sub, email });
	await bus.send(
		new PutEventsCommand({
			Entries: [
				{
					EventBusName: process.env.EVENT_BUS_NAME,
					Source: "users",
					DetailType: "User",
					Detail,
				},
			],
		}),
	);
	return event;
}
