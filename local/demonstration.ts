import { inspect, styleText } from "node:util";
import {
	CognitoIdentityProviderClient,
	ConfirmSignUpCommand,
	InitiateAuthCommand,
	SignUpCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import { createUsers, openTable } from "../domain";
import { profileKey } from "../domain/user/keys";
import type { Stack } from "./stack";

/** Lets one person sign up and in, step by step, and prints what it led to. Resolves with whether every step held. */
export async function demonstrate(stack: Stack): Promise<boolean> {
	const cognito = new CognitoIdentityProviderClient(stack.clientOptions);
	const dynamodb = new DynamoDBClient(stack.clientOptions);
	const users = createUsers(
		openTable({ tableName: String(stack.outputs.tableName), client: dynamodb }),
	);
	const ClientId = stack.outputs.userPoolClientId;
	const email = "Ada@Example.com";
	const password = "Analytical-1843";
	let sub = "";
	let userId = "";

	const steps: Record<string, () => Promise<unknown>> = {
		[`${email} signs up`]: async () => {
			const attributes = { email, name: "Ada Lovelace" };
			const UserAttributes = Object.entries(attributes).map(([Name, Value]) => ({ Name, Value }));
			const { UserSub } = await cognito.send(
				new SignUpCommand({ ClientId, Username: email, Password: password, UserAttributes }),
			);
			sub = String(UserSub);
			return `sub ${sub}`;
		},
		"confirms with the code from the mail": async () => {
			const ConfirmationCode = stack.codeFor(email);
			await cognito.send(new ConfirmSignUpCommand({ ClientId, Username: email, ConfirmationCode }));
			await stack.settled();
			return `code ${ConfirmationCode}`;
		},
		"the event was on the bus": async () => {
			const event = stack.events().find(({ detail }) => JSON.stringify(detail).includes(sub));
			if (!event) throw new Error("there was none");
			const { source, "detail-type": type, detail } = event;
			return { source, "detail-type": type, detail };
		},
		"the profile is in the table": async () => {
			const { Item } = await DynamoDBDocumentClient.from(dynamodb).send(
				new GetCommand({ TableName: stack.outputs.tableName, Key: profileKey(sub) }),
			);
			return Item ?? Promise.reject(new Error("it is not"));
		},
		"users.findBySub(sub) finds it": async () => {
			const found = await users.findBySub(sub);
			if (found.isErr()) throw new Error(found.error.type);
			userId = found.value.userId;
			return `userId ${userId}`;
		},
		'users.findByEmail("ADA@example.COM") finds the same': async () => {
			const found = await users.findByEmail("ADA@example.COM");
			if (found.isErr()) throw new Error(found.error.type);
			if (found.value.userId !== userId) throw new Error(`it found ${found.value.userId}`);
			return `userId ${userId}`;
		},
		"signs in, and the ID token carries the userId": async () => {
			const AuthParameters = { USERNAME: email, PASSWORD: password };
			const { AuthenticationResult } = await cognito.send(
				new InitiateAuthCommand({ ClientId, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters }),
			);
			await stack.settled();
			const [, claims = ""] = String(AuthenticationResult?.IdToken).split(".");
			const claim = JSON.parse(Buffer.from(claims, "base64url").toString())["custom:userId"];
			if (claim !== userId) throw new Error(`its custom:userId is ${claim}, not ${userId}`);
			return `custom:userId ${claim}`;
		},
	};

	for (const [what, run] of Object.entries(steps)) {
		try {
			console.log(`${styleText("green", "✔")} ${what}\n  ${styleText("dim", shown(await run()))}`);
		} catch (error) {
			console.log(`${styleText("red", "✖")} ${what}: ${Object(error).message}`);
			return false; // each step needs those before it
		}
	}
	return true;
}

/** A value for people to read, under the line that it belongs to. */
function shown(value: unknown): string {
	const text = typeof value === "string" ? value : inspect(value, { breakLength: 100, depth: 4 });
	return text.replaceAll("\n", "\n  ");
}
