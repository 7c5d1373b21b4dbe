import { errAsync, ok, okAsync, type ResultAsync } from "neverthrow";
import type { AccountNotFound } from "../domain/errors";
import type { Listing } from "../domain/sync/page";
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

	/** All accounts that there are now, as they are when their page is read. */
	list(pageSize = 60): Listing<ListedAccount, never> {
		const usernames = [...this.accounts.keys()];
		return (token = "0") => {
			const to = Number(token) + pageSize;
			return okAsync({
				items: usernames
					.slice(Number(token), to)
					.flatMap((username) => this.accounts.get(username) ?? [])
					.map((account) => ({
						sub: account.identity.sub,
						confirmed: account.confirmed,
						account: ok(toAccount(account)),
					})),
				next: to < usernames.length ? String(to) : undefined,
			});
		};
	}
}

const toAccount = ({ identity, userId }: PoolAccount): Account => ({
	identity,
	...(userId && { userId }),
});
