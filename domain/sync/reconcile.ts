import { err, ok, type Result } from "neverthrow";
import { pMapIterable } from "p-map";
import type {
	CorruptUser,
	InvalidIdentity,
	StoreUnavailable,
	UserPoolUnavailable,
} from "../errors";
import type { Account } from "../user/identity";
import type { Users } from "../user/users";
import { dryRun } from "./dryRun";
import type { ProfileOwner } from "./listProfiles";
import { type RecordedUser, type RecordUserError, recordUser, type UserPool } from "./record";

/** An account as a listing of the user pool has it. */
export interface ListedAccount {
	/** What to call it where it does not parse. */
	readonly sub: string;
	/** Whether it was ever confirmed, by its owner, an administrator or an identity provider. */
	readonly confirmed: boolean;
	readonly account: Result<Account, InvalidIdentity>;
}

/** Something listed page by page; the last page is an error if the listing could not go on. */
export type Pages<T, E> = AsyncIterable<Result<readonly T[], E>>;

/** What reconcile works on, and how. */
export interface ReconcileOptions {
	readonly users: Users;
	readonly userPool: UserPool;
	/** All accounts of the user pool. */
	readonly accounts: Pages<ListedAccount, UserPoolUnavailable>;
	/** Remove the profiles whose account is gone, too. */
	readonly prune?: {
		/** All profiles of the table; read after the accounts. */
		readonly profiles: Pages<ProfileOwner, StoreUnavailable>;
		/** Remove them even if the pool lists nobody, or more than twenty profiles, and more than a tenth of all, would go. */
		readonly force: boolean;
		/** Asked once, before anything is removed, unless in a dry run. */
		approve(found: { readonly profiles: number; readonly gone: number }): Promise<boolean>;
	};
	/** Say what would be done, and write nothing. */
	readonly dryRun?: boolean;
	/** About how many accounts there are, where that is known: for `onProgress` alone. */
	readonly expected?: number | undefined;
	/** How many accounts or profiles are worked on at once. */
	readonly concurrency?: number;
	/** Ends it early, after the calls in flight. */
	readonly signal?: AbortSignal;
	/** Told after each account or profile how many of them are done. */
	readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
	readonly phase: "recording accounts" | "checking profiles" | "removing profiles";
	readonly done: number;
	/** About how many there are, where that is known. */
	readonly total: number | undefined;
}

/** One account or profile that could not be dealt with, and why. */
export interface FailedAccount {
	readonly sub: string;
	readonly error: RecordUserError | CorruptUser;
}

/** What reconcile has done, or in a dry run, would do. */
export interface Summary {
	/** How many accounts the pool has listed. */
	listed: number;
	/** Of these, those that were never confirmed: they have no profile yet. */
	unconfirmed: number;
	created: number;
	updated: number;
	/** Nothing but the link from the account to the profile was written. */
	linked: number;
	unchanged: number;
	removed: number;
	failed: number;
	/** The first of those that failed; no more than a hundred. */
	readonly failures: FailedAccount[];
	/** What pruning found; `left` are for the next run, which a run that removes very many leaves over. */
	prune?: {
		profiles: number;
		gone: number;
		left: number;
		/** Why none of them was removed. */
		refused?: "PoolListsNobody" | "TooManyGone" | "NotApproved";
	};
	/** Whether `signal` ended it early. */
	interrupted: boolean;
	/** Why the accounts or the profiles could not be listed to their end. */
	stoppedBy?: UserPoolUnavailable | StoreUnavailable;
}

/** More than these are counted, not kept: memory does not grow with the pool. */
const failuresKept = 100;
const goneKept = 10_000;
/** So many profiles may go, however few there are: a small pool is pruned without force. */
const fewGone = 20;

/**
 * Makes the profiles of a table those of a user pool's accounts: it records every confirmed account, and removes, where
 * asked to, the profiles whose account is gone. It may be run at any time, beside the triggers and itself, and again.
 *
 * Memory: constant, whatever the size of the pool. Cost: a listing of the pool, and for each account what recordUser costs;
 * to prune, a scan of the table, one look-up in Cognito for each profile and one DeleteItem for each that is gone.
 *
 * @returns a summary, whatever happens: what cannot be done is counted and named in it
 */
export async function reconcile(options: ReconcileOptions): Promise<Summary> {
	const { accounts, prune, concurrency = 16, signal, onProgress } = options;
	const { users, userPool } = options.dryRun ? dryRun(options) : options;
	const record = recordUser({ users, userPool });
	const summary: Summary = {
		listed: 0,
		unconfirmed: 0,
		created: 0,
		updated: 0,
		linked: 0,
		unchanged: 0,
		removed: 0,
		failed: 0,
		failures: [],
		interrupted: false,
	};

	const fail = (failure: FailedAccount) => {
		summary.failed++;
		if (summary.failures.length < failuresKept) summary.failures.push(failure);
	};

	/** Does the work on every item, some at once; answers whether it came to the end. */
	async function forEach<T>(
		phase: Progress["phase"],
		total: number | undefined,
		pages: Pages<T, UserPoolUnavailable | StoreUnavailable>,
		work: (item: T) => Promise<void>,
	): Promise<boolean> {
		let complete = false;
		async function* items() {
			for await (const page of pages) {
				if (page.isErr()) {
					summary.stoppedBy = page.error;
					return;
				}
				for (const item of page.value) {
					if (signal?.aborted) return;
					yield item;
				}
				if (signal?.aborted) return;
			}
			complete = true;
		}
		let done = 0;
		for await (const _ of pMapIterable(items(), work, {
			concurrency,
			preserveOrder: false,
		})) {
			onProgress?.({ phase, done: ++done, total });
		}
		return complete;
	}

	async function recordOne({ sub, confirmed, account }: ListedAccount): Promise<void> {
		summary.listed++;
		if (!confirmed) {
			summary.unconfirmed++;
			return;
		}
		(await account.asyncAndThen<RecordedUser, RecordUserError>(record)).match(
			({ outcome }) => summary[outcome === "absent" ? "unchanged" : outcome]++,
			(error) => fail({ sub, error }),
		);
	}

	/** Whether the account that a profile belongs to is gone. A username may have passed to another; a sub never does. */
	const isGone = (sub: string, username: string) =>
		userPool
			.findAccount(username)
			.map(({ identity }) => identity.sub !== sub)
			.orElse((error) => {
				switch (error.type) {
					case "AccountNotFound":
						return ok(true);
					// There is an account, even if it cannot be read.
					case "InvalidIdentity":
						return ok(false);
					case "UserPoolUnavailable":
						return err(error);
				}
			});

	async function removeGone({ profiles, force, approve }: NonNullable<typeof prune>) {
		const found: NonNullable<Summary["prune"]> = { profiles: 0, gone: 0, left: 0 };
		summary.prune = found;
		if (summary.listed === 0 && !force) {
			found.refused = "PoolListsNobody";
			return;
		}
		const gone: string[] = [];
		const expected = summary.listed - summary.unconfirmed;
		const complete = await forEach(
			"checking profiles",
			expected,
			profiles,
			async ({ sub, username }) => {
				found.profiles++;
				if (username === undefined) {
					fail({ sub, error: corruptUser });
					return;
				}
				(await isGone(sub, username)).match(
					(isGone) => {
						if (!isGone) return;
						found.gone++;
						if (gone.length < goneKept) gone.push(sub);
					},
					(error) => fail({ sub, error }),
				);
			},
		);
		if (!complete || found.gone === 0) return;
		if (found.gone > Math.max(fewGone, found.profiles / 10) && !force) {
			found.refused = "TooManyGone";
			return;
		}
		if (!options.dryRun && !(await approve(found))) {
			found.refused = "NotApproved";
			return;
		}
		found.left = found.gone - gone.length;
		await forEach("removing profiles", gone.length, onePage(gone), async (sub) => {
			(await users.remove(sub)).match(
				() => summary.removed++,
				(error) => fail({ sub, error }),
			);
		});
	}

	const complete = await forEach("recording accounts", options.expected, accounts, recordOne);
	if (prune && complete) await removeGone(prune);
	summary.interrupted = signal?.aborted ?? false;
	return summary;
}

async function* onePage<T>(items: readonly T[]): AsyncGenerator<Result<readonly T[], never>> {
	yield ok(items);
}

const corruptUser: CorruptUser = {
	type: "CorruptUser",
	issues: [{ path: "username", message: "is missing" }],
};
