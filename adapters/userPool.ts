import {
	AdminGetUserCommand,
	AdminUpdateUserAttributesCommand,
	type AttributeType,
	type CognitoIdentityProviderClient,
	InvalidParameterException,
	ListUsersCommand,
	UserNotFoundException,
	UserStatusType,
	type UserType,
} from "@aws-sdk/client-cognito-identity-provider";
import { err, ok, ResultAsync } from "neverthrow";
import {
	type AccountNotFound,
	isRetryable,
	type PageExpired,
	type UserPoolUnavailable,
} from "../domain/errors";
import type { Listing } from "../domain/sync/page";
import type { ListedAccount } from "../domain/sync/reconcile";
import type { UserPool } from "../domain/sync/record";
import { parseAccount } from "../domain/user/identity";
import { linkAttribute } from "../domain/user/registry";

/** Those of an account that somebody can sign in to, or could until the password was reset. */
export const confirmedStatuses: readonly (UserStatusType | undefined)[] = [
	UserStatusType.CONFIRMED,
	UserStatusType.EXTERNAL_PROVIDER,
	UserStatusType.RESET_REQUIRED,
];

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
			).andThen(({ Username = username, UserAttributes, UserStatus }) =>
				parseAccount(Username, attributesByName(UserAttributes)).map((account) => ({
					...account,
					confirmed: confirmedStatuses.includes(UserStatus),
				})),
			),
		findUsername: (sub) =>
			ResultAsync.fromPromise(
				client.send(
					new ListUsersCommand({
						UserPoolId: userPoolId,
						// Of a sub that is none, Cognito would say that the filter is wrong.
						Filter: `sub = "${sub.replaceAll(/["\\]/g, "")}"`,
						Limit: 1,
					}),
				),
				unavailable,
			).andThen(({ Users: [user] = [] }) =>
				user?.Username === undefined
					? err<string, AccountNotFound>({ type: "AccountNotFound" })
					: ok(user.Username),
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

/** The most that Cognito answers at once. */
const pageSize = 60;

/**
 * Lists the accounts of a user pool. How long Cognito takes a token, it does not say; one that it no longer takes it calls an invalid
 * parameter, the only one that can be: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html
 *
 * Cost: one ListUsers, one round trip, for each 60 accounts. Eventually consistent, as Cognito's listing is.
 */
export function listAccounts(
	userPoolId: string,
	client: CognitoIdentityProviderClient,
): Listing<ListedAccount, PageExpired | UserPoolUnavailable> {
	return (token) =>
		ResultAsync.fromPromise(
			client.send(
				new ListUsersCommand({
					UserPoolId: userPoolId,
					Limit: pageSize,
					PaginationToken: token,
				}),
			),
			(cause): PageExpired | UserPoolUnavailable =>
				token !== undefined && cause instanceof InvalidParameterException
					? { type: "PageExpired" }
					: unavailable(cause),
		).map(({ Users = [], PaginationToken }) => ({
			items: Users.map(toListedAccount),
			next: PaginationToken,
		}));
}

function toListedAccount({ Username = "", Attributes, UserStatus }: UserType): ListedAccount {
	const attributes = attributesByName(Attributes);
	return {
		sub: attributes.sub ?? "",
		confirmed: confirmedStatuses.includes(UserStatus),
		account: parseAccount(Username, attributes),
	};
}

/** Cognito's list of attributes as a trigger gets it: by name. */
export const attributesByName = (
	attributes: readonly AttributeType[] = [],
): Record<string, string | undefined> =>
	Object.fromEntries(attributes.map(({ Name, Value }) => [Name, Value]));

const toError = (cause: unknown): AccountNotFound | UserPoolUnavailable =>
	cause instanceof UserNotFoundException ? { type: "AccountNotFound" } : unavailable(cause);

const unavailable = (cause: unknown): UserPoolUnavailable => ({
	type: "UserPoolUnavailable",
	retryable: isRetryable(cause),
	cause,
});
