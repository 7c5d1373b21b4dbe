import { inspect } from "node:util";
import {
	AdminCreateUserCommand,
	AdminDeleteUserCommand,
	AdminSetUserPasswordCommand,
	CognitoIdentityProviderClient,
	ConfirmSignUpCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import { type Steps, take, toText } from "../demonstration/run";
import { defaultSeconds, demonstrationOf } from "../demonstration/steps";
import { changeTypes, parseChange } from "../domain";
import { profileKey } from "../domain/user/keys";
import type { Stack } from "./stack";

/**
 * Lets one person sign up and in, step by step, and prints what it led to. Beside the steps that any stack can show, there are
 * those that only this one can. Resolves with whether none has failed.
 */
export async function demonstrate(
	stack: Stack,
	print = (text: string): void => console.log(text),
): Promise<boolean> {
	const cognito = new CognitoIdentityProviderClient(stack.clientOptions);
	const dynamodb = new DynamoDBClient(stack.clientOptions);
	const userPoolId = String(stack.outputs.userPoolId);
	const clientId = String(stack.outputs.userPoolClientId);
	const tableName = String(stack.outputs.tableName);
	const email = "Ada@Example.com";
	const { person, users, ...shown } = demonstrationOf({
		...{ cognito, dynamodb, userPoolId, clientId, tableName, email },
		// With it she signs in on the page, too, and in docs/frontEnd.md.
		password: "Analytical-1843",
		seconds: defaultSeconds,
	});

	const steps: Steps = {
		...shown.signsUp,
		"confirms with the code from the mail": async () => {
			const code = stack.codeFor(email);
			await cognito.send(
				new ConfirmSignUpCommand({ ClientId: clientId, Username: email, ConfirmationCode: code }),
			);
			await stack.settled();
			return `code ${code}`;
		},
		"the event was on the bus": async () => {
			const event = stack
				.events()
				.find(({ detail }) => JSON.stringify(detail).includes(person.sub));
			if (!event) throw new Error("there was none");
			const { source, "detail-type": type, detail } = event;
			return show({ source, "detail-type": type, detail });
		},
		"the profile is in the table": async () => {
			const { Item } = await DynamoDBDocumentClient.from(dynamodb).send(
				new GetCommand({ TableName: tableName, Key: profileKey(person.sub) }),
			);
			if (!Item) throw new Error("it is not");
			return show(Item);
		},
		...shown.isFound,
		...shown.signsIn,
		...shown.isChanged,
		"an administrator makes an account and deletes it, and its profile comes and goes":
			async () => {
				const account = { UserPoolId: userPoolId, Username: "Grace@Example.com" };
				const { User } = await cognito.send(
					new AdminCreateUserCommand({ ...account, MessageAction: "SUPPRESS" }),
				);
				await cognito.send(
					new AdminSetUserPasswordCommand({
						...account,
						Password: "Compiler-1952",
						Permanent: true,
					}),
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

	for (const [name, step] of Object.entries(steps)) {
		const result = await take(name, step);
		print(toText(result));
		if (result.outcome === "failed") return false;
	}
	return true;
}

const show = (value: unknown) => inspect(value, { breakLength: 100, depth: 4 });
