import { err, errAsync, ok, type ResultAsync, safeTry } from "neverthrow";
import type {
	AccountNotFound,
	ConcurrentUpdate,
	CorruptUser,
	InvalidIdentity,
	StoreUnavailable,
	UserPoolUnavailable,
} from "../errors";
import type { User } from "../user/entity";
import { type Account, hasIdentity, type Identity } from "../user/identity";
import type { Users } from "../user/users";

/** What recordUser needs of a user pool. */
export interface UserPool {
	/** Reads an account as it is now. */
	findAccount(
		username: string,
	): ResultAsync<Account, AccountNotFound | InvalidIdentity | UserPoolUnavailable>;
	/** Writes the profile's `userId` to the account, so that tokens carry it. */
	link(username: string, userId: string): ResultAsync<void, AccountNotFound | UserPoolUnavailable>;
}

/** What recordUser found or did. `linked`: nothing but the link was written. `removed`: the account is gone, and so is its profile. */
export type RecordedUser =
	| { readonly outcome: "created" | "updated" | "linked" | "unchanged"; readonly user: User }
	| { readonly outcome: "removed" };

export type RecordUserError =
	| InvalidIdentity
	| ConcurrentUpdate
	| CorruptUser
	| StoreUnavailable
	| UserPoolUnavailable;

/** How often a lost optimistic lock is tried again, each time from a fresh read of both sides. */
const attempts = 5;

/**
 * Creates the function that records an account: afterwards the account has exactly one profile, equal to it, and the two are
 * linked. Nothing else writes identities.
 *
 * What is passed in is a hint; where the profile differs from it, Cognito is asked. So it may be run any number of times,
 * in any order, and side by side with itself.
 *
 * Cost: one round trip when there is nothing to do; two for a new user (PutItem, AdminUpdateUserAttributes); three for a
 * changed one (GetItem, AdminGetUser, UpdateItem).
 *
 * @returns `ConcurrentUpdate` when others wrote the profile five times in between; retry later
 */
export function recordUser({
	users,
	userPool,
}: {
	readonly users: Users;
	readonly userPool: UserPool;
}): (hint: Account) => ResultAsync<RecordedUser, RecordUserError> {
	/** The account as it is now. After a deletion its username may name another one; a sub is never used again. */
	const currentAccount = ({ username, sub }: Identity) =>
		userPool
			.findAccount(username)
			.andThen((account) => (account.identity.sub === sub ? ok(account) : err(accountNotFound)));

	const register = (identity: Identity) =>
		users
			.register(identity)
			.map((user) => ({ outcome: "created" as const, user }))
			.orElse((error) =>
				error.type === "UserAlreadyExists"
					? ok({ outcome: "unchanged" as const, user: error.user })
					: err(error),
			);

	/** An account that is not linked has most likely no profile: then the put comes first, and saves a round trip. */
	const findOrRegister = ({ identity, userId }: Account) =>
		userId === undefined
			? register(identity)
			: users
					.findBySub(identity.sub)
					.map((user) => ({ outcome: "unchanged" as const, user }))
					.orElse((error) =>
						error.type === "UserNotFound" ? register(identity) : errAsync(error),
					);

	const record = (hint: Account) =>
		safeTry(async function* () {
			const { sub, username } = hint.identity;
			const found = yield* findOrRegister(hint);
			let user: User = found.user;
			let outcome: Exclude<RecordedUser["outcome"], "removed"> = found.outcome;
			let account = hint;

			// The account is always read after the profile, so that no lock taken on an older profile stores an older account.
			for (let attempt = 1; !hasIdentity(user, account.identity); attempt++) {
				account = yield* currentAccount(hint.identity);
				if (hasIdentity(user, account.identity)) break;
				const replaced = await users.replaceIdentity(user, account.identity);
				if (replaced.isOk()) {
					user = replaced.value;
					if (outcome === "unchanged") outcome = "updated";
					break;
				}
				if (replaced.error.type !== "ConcurrentUpdate" || attempt === attempts) {
					return err(replaced.error);
				}
				user = yield* users
					.findBySub(sub)
					.mapErr((error) => (error.type === "UserNotFound" ? concurrentUpdate : error));
			}

			if (account.userId !== user.userId && account === hint && username !== sub) {
				account = yield* currentAccount(hint.identity);
			}
			if (account.userId !== user.userId) {
				yield* userPool.link(username, user.userId);
				if (outcome === "unchanged") outcome = "linked";
			}
			return ok({ outcome, user });
		});

	return (hint) =>
		record(hint).orElse((error) =>
			error.type === "AccountNotFound"
				? users.remove(hint.identity.sub).map(() => ({ outcome: "removed" as const }))
				: errAsync(error),
		);
}

const accountNotFound: AccountNotFound = { type: "AccountNotFound" };
const concurrentUpdate: ConcurrentUpdate = { type: "ConcurrentUpdate" };
