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
import { type Account, hasIdentity, type Identity, isUuid } from "../user/identity";
import type { Users } from "../user/users";

/** An account as the user pool itself says it is. */
export interface PoolAccount extends Account {
	/** Whether it was ever confirmed: by its owner, an administrator or an identity provider. */
	readonly confirmed: boolean;
}

/** What recordUser needs of a user pool. */
export interface UserPool {
	/** Reads an account as it is now, by its username; a local account is known by its `sub` as well, a federated one is not. */
	findAccount(
		username: string,
	): ResultAsync<PoolAccount, AccountNotFound | InvalidIdentity | UserPoolUnavailable>;
	/** Finds the username of the account that has this `sub`. It may not know of what happened a moment ago. */
	findUsername(sub: string): ResultAsync<string, AccountNotFound | UserPoolUnavailable>;
	/** Writes the profile's `userId` to the account, so that tokens carry it. */
	link(username: string, userId: string): ResultAsync<void, AccountNotFound | UserPoolUnavailable>;
}

/**
 * What recordUser found or did. `linked`: nothing but the link was written. `removed`: the account is gone, and so is its profile.
 * `unconfirmed`: the account was never confirmed, and nothing was written. `absent`: there is neither an account nor a profile.
 */
export type RecordedUser =
	| { readonly outcome: "created" | "updated" | "linked" | "unchanged"; readonly user: User }
	| { readonly outcome: "removed" | "unconfirmed" | "absent" };

export type RecordUserError =
	| InvalidIdentity
	| ConcurrentUpdate
	| CorruptUser
	| StoreUnavailable
	| UserPoolUnavailable;

/** Whom to record: an account, with what is told of it, or no more than whose it is. */
export type Told = Account | Pick<Identity, "sub">;

/** Records an account; see {@link recordUser}. */
export type RecordUser = (
	told: Told,
	as?: "hint" | "fact",
) => ResultAsync<RecordedUser, RecordUserError>;

/** How many attempts there are against the optimistic lock, each from a fresh read of both sides. */
const attempts = 5;

/**
 * Creates the function that records an account: afterwards a confirmed account has exactly one profile, equal to it, and the two
 * are linked. Nothing else writes identities.
 *
 * A hint says who, and Cognito says what: but for "there is nothing to do", nothing is decided from what is passed in. So it may
 * be run any number of times, in any order, side by side with itself, and with what somebody has made up. An account is gone
 * only if Cognito says so of the username that the profile itself has. A profile that was lost comes back under the `userId` that
 * the account is linked to, which administrators alone can write, unless another profile has it.
 *
 * Only what Cognito itself has told a moment ago, as to a trigger at confirmation, may be passed as a `fact`: of a new account
 * it is believed.
 *
 * Cost, in round trips: 1 when there is nothing to do, 2 of a hint that knows no link or a `sub` alone; 1 or 2 for an account that
 * is not confirmed; 3 for a new one (AdminGetUser, PutItem, AdminUpdateUserAttributes), 2 where it is passed as a fact; 3 for a
 * changed one (GetItem, AdminGetUser, UpdateItem); 5 for a profile that was lost; 3 where an account is gone (GetItem, AdminGetUser,
 * DeleteItem). One more where the link is wrong, or the account has changed since a hint that knew no link; one more for a new account
 * of which the `sub` alone is told, and three if it is federated.
 *
 * @returns what it found or did; `ConcurrentUpdate`, to be retried later, when others removed the profile in between or wrote it
 * five times; `InvalidIdentity` or `CorruptUser` for an account or a profile that cannot be read; otherwise what is unavailable
 */
export function recordUser({
	users,
	userPool,
}: {
	readonly users: Users;
	readonly userPool: UserPool;
}): RecordUser {
	const findUser = (sub: string) =>
		users
			.findBySub(sub)
			.map((user): User | undefined => user)
			.orElse((error) => (error.type === "UserNotFound" ? ok(undefined) : err(error)));

	/** The account of a sub, if it has this username now: a username may pass to another account, a sub never does. */
	const findAccount = (sub: string, username: string) =>
		userPool
			.findAccount(username)
			.map((account): PoolAccount | undefined =>
				account.identity.sub === sub ? account : undefined,
			)
			.orElse((error) => (error.type === "AccountNotFound" ? ok(undefined) : err(error)));

	/** The account that has a sub, whatever its username: that of a federated one is not its sub. */
	const findAccountBySub = (sub: string) =>
		userPool
			.findUsername(sub)
			.andThen((username) => findAccount(sub, username))
			.orElse((error) => (error.type === "AccountNotFound" ? ok(undefined) : err(error)));

	const register = (account: Account, userId?: string) =>
		users
			.register(account.identity, userId)
			.map((user) => ({ outcome: "created" as const, user }))
			.orElse((error) =>
				error.type === "UserAlreadyExists"
					? ok({ outcome: "unchanged" as const, user: error.user })
					: err(error),
			);

	/** The userId that an account is linked to, if a profile may have it: if no other one does. */
	const linkedUserId = ({ identity, userId }: PoolAccount) => {
		if (!isUuid(userId)) return ok(undefined);
		return users
			.findByUserId(userId)
			.map(({ sub }) => (sub === identity.sub ? userId : undefined))
			.orElse((error) => {
				switch (error.type) {
					case "UserNotFound":
						return ok(userId);
					// Somebody's, if only it could be read.
					case "CorruptUser":
						return ok(undefined);
					case "StoreUnavailable":
						return err(error);
				}
			});
	};

	const record = (
		told: Told,
		as: "hint" | "fact",
	): ResultAsync<RecordedUser, RecordUserError | AccountNotFound> =>
		safeTry(async function* () {
			const hint = "identity" in told ? told : undefined;
			const sub = subOf(told);
			// A hint that knows no link is of an account that most likely has no profile yet.
			const looksFirst = !hint || hint.userId !== undefined;
			let user: User | undefined;
			let outcome: "created" | "updated" | "linked" | "unchanged" = "unchanged";

			if (looksFirst) {
				user = yield* findUser(sub);
				if (user && hint && hasIdentity(user, hint.identity) && user.userId === hint.userId) {
					return ok({ outcome, user });
				}
			} else if (as === "fact") {
				({ user, outcome } = yield* register(hint));
				if (hasIdentity(user, hint.identity)) {
					yield* userPool.link(hint.identity.username, user.userId);
					return ok({ outcome: outcome === "created" ? outcome : ("linked" as const), user });
				}
			}

			const username = hint?.identity.username ?? user?.username ?? sub;
			let account = yield* findAccount(sub, username);
			if (!account) {
				user ??= yield* findUser(sub);
				if (!user) {
					account = hint ? undefined : yield* findAccountBySub(sub);
					// What others may be making meanwhile is not this one's to remove.
					if (!account) return ok({ outcome: "absent" as const });
				} else {
					if (user.username !== username) account = yield* findAccount(sub, user.username);
					if (!account) return err(accountNotFound);
				}
			}
			if (!account.confirmed) return ok({ outcome: "unconfirmed" as const });

			// No lock that was taken on a profile may store what was read before it.
			let isOlderThanUser = user === undefined;
			// An account that is linked has most likely a profile, unless none was found above; one that is not has most likely none.
			if (!user && !looksFirst && account.userId !== undefined) {
				user = yield* findUser(sub);
			}
			if (!user) {
				const userId = yield* linkedUserId(account);
				({ user, outcome } = yield* register(account, userId));
				// No link is to be written, which would tell that the account is gone meanwhile, and with it the profile that was found lost.
				if (account.userId === user.userId) {
					account = yield* findAccount(sub, account.identity.username);
					if (!account) return err(accountNotFound);
					isOlderThanUser = false;
				}
			}

			for (let attempt = 1; !hasIdentity(user, account.identity); attempt++) {
				if (isOlderThanUser) {
					account = yield* findAccount(sub, account.identity.username);
					if (!account) return err(accountNotFound);
					if (hasIdentity(user, account.identity)) break;
				}
				const replaced = await users.replaceIdentity(user, account.identity);
				if (replaced.isOk()) {
					user = replaced.value;
					if (outcome === "unchanged") outcome = "updated";
					break;
				}
				if (replaced.error.type !== "ConcurrentUpdate" || attempt === attempts) {
					return err(replaced.error);
				}
				user = yield* findUser(sub);
				if (!user) return err(concurrentUpdate);
				isOlderThanUser = true;
			}

			if (account.userId !== user.userId) {
				yield* userPool.link(account.identity.username, user.userId);
				if (outcome === "unchanged") outcome = "linked";
			}
			return ok({ outcome, user });
		});

	return (told, as = "hint") =>
		record(told, as).orElse((error) =>
			error.type === "AccountNotFound"
				? users.remove(subOf(told)).map(() => ({ outcome: "removed" as const }))
				: errAsync(error),
		);
}

const subOf = (told: Told) => ("identity" in told ? told.identity : told).sub;

const accountNotFound: AccountNotFound = { type: "AccountNotFound" };
const concurrentUpdate: ConcurrentUpdate = { type: "ConcurrentUpdate" };
