import {
	AdminUpdateUserAttributesCommand,
	type CognitoIdentityProviderClient,
	InitiateAuthCommand,
	InvalidParameterException,
	SignUpCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { err, ok, type ResultAsync } from "neverthrow";
import { createUserPool } from "../adapters/userPool";
import { createUsers, openTable, type User, type Users } from "../domain";
import { linkAttribute } from "../domain/user/registry";
import { Skipped, type Steps } from "./run";
import { inWords, mayPass, notYet, type Reason, until } from "./until";

/** Where a person is to be signed up, and by which email. */
export interface Stage {
	readonly cognito: CognitoIdentityProviderClient;
	readonly dynamodb: DynamoDBClient;
	readonly userPoolId: string;
	readonly clientId: string;
	readonly tableName: string;
	readonly email: string;
	readonly password: string;
	/** The longest time that anything is waited for. */
	readonly seconds: number;
}

/** The person, as far as the steps that were taken have come. */
export interface Person {
	readonly sub: string;
	readonly userId: string;
	/** Whether a change of the account came to the profile by itself. */
	readonly isFollowed: boolean;
	/** Resolves once Cognito has answered the sign-up, whatever it has answered. */
	readonly signedUp: Promise<unknown>;
}

/** The steps that any stack can show. */
export interface Demonstration {
	/** The sign-up; whoever takes the steps confirms it next. */
	readonly signsUp: Steps;
	readonly isFound: Steps;
	readonly signsIn: Steps;
	readonly isChanged: Steps;
	readonly person: Person;
	readonly users: Users;
	/** Waits as the steps do. Rejects with an `Error` that says what does not hold in the end. */
	wait<T, E extends Reason>(ask: () => ResultAsync<T, E>): Promise<T>;
}

/**
 * Long enough for functions that start cold. CloudTrail takes five minutes on average, so a trail may well not show in this time:
 * then the stack counts as one without. That is waited for but once, so that such a stack is done with in less than a minute.
 * https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html
 */
export const defaultSeconds = 30;

/** Makes the steps that show on any stack, embedded or deployed, what becomes of a person who signs up. */
export function demonstrationOf({
	cognito,
	dynamodb,
	userPoolId: UserPoolId,
	clientId: ClientId,
	tableName,
	email,
	password,
	seconds,
}: Stage): Demonstration {
	const users = createUsers(openTable({ tableName, client: dynamodb }));
	const userPool = createUserPool(UserPoolId, cognito);
	const person = {
		sub: "",
		userId: "",
		isFollowed: false,
		signedUp: Promise.resolve<unknown>(undefined),
	};

	async function wait<T, E extends Reason>(ask: () => ResultAsync<T, E>): Promise<T> {
		const answer = await until(seconds, ask);
		if (answer.isOk()) return answer.value;
		const waited = mayPass(answer.error) ? `, after ${seconds} s` : "";
		throw new Error(`${inWords(answer.error)}${waited}`);
	}

	/** Waits until she is found by an index, which may show a write late. */
	async function waitFor<E extends Reason>(find: () => ResultAsync<User, E>): Promise<string> {
		const { userId } = await wait(find);
		if (userId !== person.userId) throw new Error(`it found ${userId}`);
		return `userId ${userId}`;
	}

	/** What the ID token says of her, after she has signed in with her password, if the app client lets her. */
	async function signIn(): Promise<Record<string, unknown> | Skipped> {
		const AuthParameters = { USERNAME: email, PASSWORD: password };
		try {
			const { AuthenticationResult, ChallengeName } = await cognito.send(
				new InitiateAuthCommand({ ClientId, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters }),
			);
			if (!AuthenticationResult) throw new Error(`Cognito asks for ${ChallengeName} first`);
			const [, claims = ""] = String(AuthenticationResult.IdToken).split(".");
			return JSON.parse(Buffer.from(claims, "base64url").toString());
		} catch (error) {
			if (!(error instanceof InvalidParameterException)) throw error;
			if (!error.message.includes("not enabled")) throw error;
			return new Skipped("the setting passwordAuth, which would let her, is false");
		}
	}

	const signsUp: Steps = {
		[`${email} signs up`]: async () => {
			const attributes = { email, name: "Ada Lovelace" };
			const UserAttributes = Object.entries(attributes).map(([Name, Value]) => ({ Name, Value }));
			const signUp = cognito.send(
				new SignUpCommand({ ClientId, Username: email, Password: password, UserAttributes }),
			);
			person.signedUp = signUp.catch(() => undefined);
			person.sub = String((await signUp).UserSub);
			return `sub ${person.sub}`;
		},
	};

	const isFound: Steps = {
		"users.findBySub(sub) finds it": async () => {
			const { userId } = await wait(() => users.findBySub(person.sub));
			person.userId = userId;
			return `userId ${userId}`;
		},
		[`users.findByEmail("${email.toUpperCase()}") finds the same`]: () =>
			waitFor(() => users.findByEmail(email.toUpperCase())),
		"users.findByUserId(userId) finds the same": () =>
			waitFor(() => users.findByUserId(person.userId)),
		"the account is linked to it": async () => {
			await wait(() =>
				userPool
					.findAccount(person.sub)
					.andThen(({ userId }) =>
						userId === person.userId
							? ok(userId)
							: err(notYet(`its ${linkAttribute} is ${userId ?? "not written"}`)),
					),
			);
			return `${linkAttribute} ${person.userId}`;
		},
	};

	const signsIn: Steps = {
		"signs in, and the ID token carries the userId": async () => {
			const claims = await signIn();
			if (claims instanceof Skipped) return claims;
			const claim = claims[linkAttribute];
			if (claim !== person.userId) {
				throw new Error(`its ${linkAttribute} is ${claim}, not ${person.userId}`);
			}
			return `${linkAttribute} ${claim}`;
		},
	};

	const isChanged: Steps = {
		"an administrator changes her name, and the profile follows": async () => {
			const Value = "Countess of Lovelace";
			const UserAttributes = [{ Name: "name", Value }];
			await cognito.send(
				new AdminUpdateUserAttributesCommand({ UserPoolId, Username: email, UserAttributes }),
			);
			const find = () =>
				users
					.findBySub(person.sub)
					.andThen(({ name }) =>
						name === Value ? ok(name) : err(notYet(`its name is still ${name}`)),
					);
			const followed = await until(seconds, find);
			person.isFollowed = followed.isOk();
			if (followed.isOk()) return `name ${Value}, by CloudTrail`;
			if (followed.error.type !== "NotYet") throw new Error(inWords(followed.error));

			const noTrail = `no trail was seen within ${seconds} s`;
			const claims = await signIn();
			if (claims instanceof Skipped) {
				return new Skipped(`${noTrail}, and ${claims.why}: reconcile would bring it`);
			}
			await wait(find);
			return `name ${Value}, by the sign-in: ${noTrail}`;
		},
	};

	return { signsUp, isFound, signsIn, isChanged, person, users, wait };
}
