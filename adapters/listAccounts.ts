import {
	type CognitoIdentityProviderClient,
	paginateListUsers,
	UserStatusType,
	type UserType,
} from "@aws-sdk/client-cognito-identity-provider";
import { err, ok, type Result } from "neverthrow";
import { isRetryable, type UserPoolUnavailable } from "../domain/errors";
import type { ListedAccount } from "../domain/sync/reconcile";
import { parseAccount } from "../domain/user/identity";

/** The most that Cognito answers at once. */
const pageSize = 60;

/** Those of an account that somebody can sign in to, or could until the password was reset. */
const confirmed: readonly (UserStatusType | undefined)[] = [
	UserStatusType.CONFIRMED,
	UserStatusType.EXTERNAL_PROVIDER,
	UserStatusType.RESET_REQUIRED,
];

/**
 * Lists the accounts of a user pool, page by page. It never throws.
 *
 * Cost: one ListUsers, one round trip, for each 60 accounts. Eventually consistent, as Cognito's listing is.
 *
 * @returns pages; the last is an error if the pool could not be listed to its end
 */
export async function* listAccounts(
	userPoolId: string,
	client: CognitoIdentityProviderClient,
): AsyncGenerator<Result<readonly ListedAccount[], UserPoolUnavailable>> {
	try {
		for await (const { Users = [] } of paginateListUsers(
			{ client, pageSize },
			{ UserPoolId: userPoolId },
		)) {
			yield ok(Users.map(toListedAccount));
		}
	} catch (cause) {
		yield err({ type: "UserPoolUnavailable", retryable: isRetryable(cause), cause });
	}
}

function toListedAccount({ Username = "", Attributes = [], UserStatus }: UserType): ListedAccount {
	const attributes = Object.fromEntries(Attributes.map(({ Name, Value }) => [Name, Value]));
	return {
		sub: attributes.sub ?? "",
		confirmed: confirmed.includes(UserStatus),
		account: parseAccount(Username, attributes),
	};
}
