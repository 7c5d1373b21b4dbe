import {
	AdminGetUserCommand,
	AdminUpdateUserAttributesCommand,
	type CognitoIdentityProviderClient,
	UserNotFoundException,
} from "@aws-sdk/client-cognito-identity-provider";
import { ResultAsync } from "neverthrow";
import { type AccountNotFound, isRetryable, type UserPoolUnavailable } from "../domain/errors";
import type { UserPool } from "../domain/sync/record";
import { linkAttribute, parseAccount } from "../domain/user/identity";

/** The domain's user pool, on Cognito's admin API: one round trip a call. */
export function createUserPool(
	userPoolId: string,
	client: CognitoIdentityProviderClient,
): UserPool {
	return {
		findAccount: (username) =>
			ResultAsync.fromPromise(
				client.send(new AdminGetUserCommand({ UserPoolId: userPoolId, Username: username })),
				toError,
			).andThen(({ Username = username, UserAttributes = [] }) =>
				parseAccount(
					Username,
					Object.fromEntries(UserAttributes.map(({ Name, Value }) => [Name, Value])),
				),
			),
		link: (username, userId) =>
			ResultAsync.fromPromise(
				client.send(
					new AdminUpdateUserAttributesCommand({
						UserPoolId: userPoolId,
						Username: username,
						UserAttributes: [{ Name: linkAttribute, Value: userId }],
					}),
				),
				toError,
			).map(() => undefined),
	};
}

const toError = (cause: unknown): AccountNotFound | UserPoolUnavailable =>
	cause instanceof UserNotFoundException
		? { type: "AccountNotFound" }
		: { type: "UserPoolUnavailable", retryable: isRetryable(cause), cause };
