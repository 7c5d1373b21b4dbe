import { randomUUID } from "node:crypto";
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
import { createUsers, openTable, type User } from "../domain";
import { linkAttribute } from "../domain/user/registry";
import { Skipped, type Steps } from "./run";
import { inWords, notYet, type Reason, until } from "./until";

/** Where a person is to be signed up, and by which email. */
export interface Stage {
	readonly cognito: CognitoIdentityProviderClient;
	readonly dynamodb: DynamoDBClient;
	readonly userPoolId: string;
	readonly clientId: string;
	readonly tableName: string;
	readonly email: string;
	/** The longest time that anything is waited for. */
	readonly seconds: number;
}

/**
 * Long enough for functions that start cold. CloudTrail often takes minutes: where its record does not come in this time, the
 * stack counts as one without a trail. That is waited for but once, so that such a stack is done with in less than a minute.
 */
export const defaultSeconds = 30;

/**
 * The steps that show on any stack, embedded or deployed, what becomes of a person who signs up. Whoever takes them confirms her
 * after the first.
 *
 * @returns the steps; `person`, which is known as they go on; `users`, the access patterns of the table; and `wait`, which waits
 * as the steps do, and rejects with what does not hold in the end.
 */
export function demonstrationOf({
	cognito,
	dynamodb,
	userPoolId: UserPoolId,
	clientId: ClientId,
	tableName,
	email,
	seconds,
}: Stage) {
	const users = createUsers(openTable({ tableName, client: dynamodb }));
	const userPool = createUserPool(UserPoolId, cognito);
	const password = `${randomUUID()}-Aa1!`;
	const person = {
		sub: "",
		userId: "",
		/** Whether a change of the account came to the profile by itself. */
		isFollowed: false,
		/** Settles once it is certain whether there is an account. */
		signedUp: Promise.resolve<unknown>(undefined),
	};

	async function wait<T, E extends Reason>(ask: () => ResultAsync<T, E>): Promise<T> {
		const answer = await until(seconds, ask);
		if (answer.isErr()) throw new Error(`${inWords(answer.error)}, after ${seconds} s`);
		return answer.value;
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

	return {
		users,
		wait,
		// To be read alone.
		person: person as Readonly<typeof person>,
		signsUp,
		isFound,
		signsIn,
		isChanged,
	};
}
