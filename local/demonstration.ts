import { inspect, styleText } from "node:util";
import {
	AdminCreateUserCommand,
	AdminDeleteUserCommand,
	AdminSetUserPasswordCommand,
	CognitoIdentityProviderClient,
	ConfirmSignUpCommand,
	InitiateAuthCommand,
	SignUpCommand,
	UpdateUserAttributesCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import { changeTypes, createUsers, openTable, parseChange } from "../domain";
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
	let accessToken = "";

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
			accessToken = String(AuthenticationResult?.AccessToken);
			return `custom:userId ${claim}`;
		},
		"changes her name, and the profile follows, with no sign-in": async () => {
			const UserAttributes = [{ Name: "name", Value: "Countess of Lovelace" }];
			await cognito.send(
				new UpdateUserAttributesCommand({ AccessToken: accessToken, UserAttributes }),
			);
			await stack.settled();
			const found = await users.findBySub(sub);
			if (found.isErr()) throw new Error(found.error.type);
			if (found.value.name !== "Countess of Lovelace") throw new Error("it does not");
			return `name ${found.value.name}`;
		},
		"an administrator makes an account and deletes it, and its profile comes and goes":
			async () => {
				const account = { UserPoolId: stack.outputs.userPoolId, Username: "Grace@Example.com" };
				const { User } = await cognito.send(
					new AdminCreateUserCommand({ ...account, MessageAction: "SUPPRESS" }),
				);
				await cognito.send(
					new AdminSetUserPasswordCommand({ ...account, Password: password, Permanent: true }),
				);
				await stack.settled();
				const created = await users.findBySub(String(User?.Username));
				if (created.isErr()) throw new Error(`it does not come: ${created.error.type}`);
				await cognito.send(new AdminDeleteUserCommand(account));
				await stack.settled();
				if ((await users.findBySub(created.value.sub)).isOk()) throw new Error("it does not go");
				return `sub ${created.value.sub}`;
			},
		"the bus was told of each change of a profile": async () => {
			const changes = stack.events().flatMap((event) => parseChange(event).unwrapOr([]));
			const told = changes.map(({ type, user }) => `${type} ${user.sub}`);
			const types = new Set(changes.map(({ type }) => type));
			if (types.size < changeTypes.length) throw new Error(`it was told ${told.join(", ")}`);
			return told.join("\n");
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
