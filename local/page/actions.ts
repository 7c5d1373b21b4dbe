import {
	AdminDeleteUserCommand,
	AdminUpdateUserAttributesCommand,
	CognitoIdentityProviderClient,
	ConfirmSignUpCommand,
	InitiateAuthCommand,
	SignUpCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { SQSClient, StartMessageMoveTaskCommand } from "@aws-sdk/client-sqs";
import { linkAttribute } from "../../domain/user/registry";
import type { Stack } from "../stack";
import type { Outages } from "./outages";

/** What the page sends; each action reads what it needs of it. */
interface Form {
	email?: string;
	password?: string;
	code?: string;
	username?: string;
	/** By the names that Cognito gives them. */
	attributes?: Record<string, string>;
	/** The ARN of a dead-letter queue, and of the queue that it is redriven to. */
	from?: string;
	to?: string;
	what?: string;
}

type Act = (form: Form) => Promise<string>;

/**
 * What one can do on the page, by name: what persons, administrators and operators do, with the SDK's clients and against the endpoint
 * as anybody would. Each answers a sentence, and rejects with AWS's own error.
 */
export function createActions(stack: Stack, outages: Outages): ReadonlyMap<string, Act> {
	const cognito = new CognitoIdentityProviderClient(stack.clientOptions);
	const sqs = new SQSClient(stack.clientOptions);
	const { userPoolId: UserPoolId, userPoolClientId: ClientId } = stack.outputs;

	const actions: Record<string, Act> = {
		async signUp({ email, password, attributes = {} }) {
			const UserAttributes = toAttributes({ ...attributes, email: email ?? "" });
			await cognito.send(
				new SignUpCommand({ ClientId, Username: email, Password: password, UserAttributes }),
			);
			return `${email} has signed up, and was mailed a code.`;
		},

		async confirm({ email, code }) {
			await cognito.send(
				new ConfirmSignUpCommand({ ClientId, Username: email, ConfirmationCode: code }),
			);
			return `${email} is confirmed.`;
		},

		async signIn({ email = "", password = "" }) {
			const AuthParameters = { USERNAME: email, PASSWORD: password };
			const { AuthenticationResult, ChallengeName } = await cognito.send(
				new InitiateAuthCommand({ ClientId, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters }),
			);
			if (!AuthenticationResult) return `${email} is asked for more: ${ChallengeName}.`;
			const [, claims = ""] = String(AuthenticationResult.IdToken).split(".");
			const userId = JSON.parse(Buffer.from(claims, "base64url").toString())[linkAttribute];
			return userId === undefined
				? `${email} is signed in. The ID token has no ${linkAttribute} yet.`
				: `${email} is signed in. The ID token says: ${linkAttribute} ${userId}.`;
		},

		async change({ username, attributes = {} }) {
			// An administrator's word: the person would be mailed a code to verify a new email with.
			const verified = "email" in attributes && { email_verified: "true" };
			const UserAttributes = toAttributes({ ...attributes, ...verified });
			await cognito.send(
				new AdminUpdateUserAttributesCommand({ UserPoolId, Username: username, UserAttributes }),
			);
			return `Changed in Cognito: ${Object.keys(attributes).join(", ")}.`;
		},

		async delete({ username }) {
			await cognito.send(new AdminDeleteUserCommand({ UserPoolId, Username: username }));
			return "The account is deleted in Cognito.";
		},

		async redrive({ from, to }) {
			await sqs.send(new StartMessageMoveTaskCommand({ SourceArn: from, DestinationArn: to }));
			return "What rested in the dead-letter queue is tried again.";
		},

		async fail({ what = "" }) {
			outages.begin(what);
			return `The ${what} is down for every function.`;
		},

		async repair({ what = "" }) {
			outages.end(what);
			return `The ${what} works again.`;
		},
	};
	return new Map(Object.entries(actions));
}

const toAttributes = (attributes: Record<string, string>) =>
	Object.entries(attributes).map(([Name, Value]) => ({ Name, Value }));
