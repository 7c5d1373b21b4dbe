import { errAsync, ok, okAsync, type Result, type ResultAsync } from "neverthrow";
import type { AccountNotFound, UserPoolUnavailable } from "../domain/errors";
import type { ListedAccount } from "../domain/sync/reconcile";
import type { PoolAccount, UserPool } from "../domain/sync/record";
import type { Account, Identity } from "../domain/user/identity";

/** A user pool in memory, behind the domain's port. */
export class TestPool implements UserPool {
	readonly accounts = new Map<string, PoolAccount>();

	/** Makes an account, or changes it, and leaves its link as it is; answers what a trigger would tell of it. */
	put(identity: Identity, confirmed = true): Account {
		const { userId } = this.accounts.get(identity.username) ?? {};
		const account = { identity, confirmed, ...(userId && { userId }) };
		this.accounts.set(identity.username, account);
		return toAccount(account);
	}

	findAccount(username: string): ResultAsync<PoolAccount, AccountNotFound> {
		const account = this.accounts.get(username);
		return account ? okAsync(account) : errAsync({ type: "AccountNotFound" });
	}

	findUsername(sub: string): ResultAsync<string, AccountNotFound> {
		for (const [username, { identity }] of this.accounts) {
			if (identity.sub === sub) return okAsync(username);
		}
		return errAsync({ type: "AccountNotFound" });
	}

	link(username: string, userId: string): ResultAsync<void, AccountNotFound> {
		const account = this.accounts.get(username);
		if (!account) return errAsync({ type: "AccountNotFound" });
		this.accounts.set(username, { ...account, userId });
		return okAsync(undefined);
	}

	/** All accounts as they are when their page is read. */
	async *list(
		pageSize = 60,
	): AsyncGenerator<Result<readonly ListedAccount[], UserPoolUnavailable>> {
		const usernames = [...this.accounts.keys()];
		for (let from = 0; from < usernames.length; from += pageSize) {
			yield ok(
				usernames
					.slice(from, from + pageSize)
					.flatMap((username) => this.accounts.get(username) ?? [])
					.map((account) => ({
						sub: account.identity.sub,
						confirmed: account.confirmed,
						account: ok(toAccount(account)),
					})),
			);
		}
	}
}

const toAccount = ({ identity, userId }: PoolAccount): Account => ({
	identity,
	...(userId && { userId }),
});
