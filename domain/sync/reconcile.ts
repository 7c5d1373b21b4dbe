import { err, ok, type Result } from "neverthrow";
import { pMapIterable } from "p-map";
import type {
	CorruptUser,
	InvalidIdentity,
	PageExpired,
	StoreUnavailable,
	UserPoolUnavailable,
} from "../errors";
import type { Account } from "../user/identity";
import type { Users } from "../user/users";
import { dryRun } from "./dryRun";
import type { ProfileOwner } from "./listProfiles";
import type { Listing } from "./page";
import { type RecordedUser, type RecordUserError, recordUser, type UserPool } from "./record";

/** An account as a listing of the user pool has it. */
export interface ListedAccount {
	/** What to call it where it does not parse. */
	readonly sub: string;
	/** Whether it was ever confirmed, by its owner, an administrator or an identity provider. */
	readonly confirmed: boolean;
	readonly account: Result<Account, InvalidIdentity>;
}

/** Why the accounts or the profiles could not be listed to their end. */
export type ListingStopped = PageExpired | UserPoolUnavailable | StoreUnavailable;

/** What reconcile works on, and how. */
export interface ReconcileOptions {
	readonly users: Users;
	readonly userPool: UserPool;
	/** All accounts of the user pool. */
	readonly accounts: Listing<ListedAccount, PageExpired | UserPoolUnavailable>;
	/** Remove the profiles whose account is gone, too. */
	readonly prune?: {
		/** All profiles of the table; read after the accounts. */
		readonly profiles: Listing<ProfileOwner, StoreUnavailable>;
		/** Remove them even if the pool lists nobody, or more than twenty profiles, and more than a tenth of all, would go. */
		readonly force: boolean;
		/** Asked once, before anything is removed, unless in a dry run. */
		approve(found: { readonly profiles: number; readonly gone: number }): Promise<boolean>;
	};
	/** Say what would be done, and write nothing. */
	readonly dryRun?: boolean;
	/** The state in which a run before was left, to go on from; it must have been given the same options. */
	readonly from?: ReconcileState;
	/** Asked after each page. When there is no more time, the state that is answered says where to go on. */
	readonly hasTime?: () => boolean;
	/** Ends it early and for good, after the calls in flight. */
	readonly signal?: AbortSignal;
	/** How many accounts or profiles are worked on at once. */
	readonly concurrency?: number;
	/** About how many accounts there are, where that is known: for `onProgress` alone. */
	readonly expected?: number | undefined;
	/** Told after each account or profile how many of them are done. */
	readonly onProgress?: (progress: Progress) => void;
	/** Told of each account or profile that was changed; of none in a dry run. */
	readonly onRecorded?: (changed: ChangedUser) => void;
	/** Told of each account or profile that failed: the state names no more than a hundred. */
	readonly onFailed?: (failure: FailedAccount) => void;
	/** Told why a listing could not go on, with the cause, which the state does not hold. */
	readonly onStopped?: (error: ListingStopped) => void;
}

/** What reconcile does, one after the other; the last two only to prune. */
export type Phase = "recording accounts" | "checking profiles" | "removing profiles";

export interface Progress {
	readonly phase: Phase;
	readonly done: number;
	/** About how many there are, where that is known. */
	readonly total: number | undefined;
}

/** One account whose profile was written or removed, or whose link was written. */
export interface ChangedUser {
	readonly sub: string;
	readonly outcome: Exclude<RecordedUser["outcome"], "unchanged" | "unconfirmed" | "absent">;
}

/** One account or profile that could not be dealt with, and why. */
export interface FailedAccount {
	readonly sub: string;
	readonly type: (RecordUserError | CorruptUser)["type"];
	/** In words that hold no message of a service, which might name a person. */
	readonly reason: string;
}

/**
 * What reconcile has done, or in a dry run, would do; and where to go on, if there is more. It is plain JSON, whatever the size
 * of the pool, so that another process may go on from it.
 */
export interface ReconcileState {
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
	/** What pruning found; `left` are for the next run: their accounts have gone since they were counted. */
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
	stoppedBy?: { readonly type: ListingStopped["type"]; readonly reason: string };
	/** Where to go on; there is nothing more to do without it. */
	next?: {
		readonly phase: Phase;
		/** The page; the first, unless given. */
		readonly token?: string | undefined;
		/** How many accounts or profiles the phase has done. */
		done: number;
		/** How many profiles may still be removed. */
		mayRemove?: number;
	};
}

/** More than these are counted, not kept: neither memory nor state grows with the pool. */
const failuresKept = 100;
/** A reason is no longer than this, as the whole state is to fit into the 256 KB that Step Functions hands on. */
const reasonLength = 500;
/** So many profiles may go, however few there are: a small pool is pruned without force. */
const fewGone = 20;

/** How far a run is; `undefined` once it has ended. */
export function progressOf(
	{ next, listed, unconfirmed, prune }: ReconcileState,
	expected: number | undefined,
): Progress | undefined {
	if (!next) return undefined;
	const { phase, done } = next;
	switch (phase) {
		case "recording accounts":
			return { phase, done, total: expected };
		case "checking profiles":
			return { phase, done, total: listed - unconfirmed };
		case "removing profiles":
			return { phase, done, total: prune?.profiles };
	}
}

/** The state of a run that has not begun. */
export const beginning = (): ReconcileState => ({
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
	next: { phase: "recording accounts", done: 0 },
});

/**
 * Makes the profiles of a table those of a user pool's accounts: it records every confirmed account, and removes, where
 * asked to, the profiles whose account is gone. It may be run at any time, beside the triggers and itself, and again; and in parts, each
 * of which goes on where the one before it has left: together they do and tell what one run would.
 *
 * To prune, it first counts the profiles whose account is gone. Whether so many may go is decided over all of them, and then it goes
 * through the profiles again and removes those whose account is still gone, never more than were counted.
 *
 * Memory: constant, whatever the size of the pool. Cost: a listing of the pool, and for each account what recordUser costs;
 * to prune, a scan of the table and one look-up in Cognito for each profile, and where any is gone the same a second time, and one
 * DeleteItem for each that is gone.
 *
 * @returns the state that it came to, whatever happens: what cannot be done is counted and named in it
 */
export async function reconcile(options: ReconcileOptions): Promise<ReconcileState> {
	const { accounts, prune, concurrency = 16, signal, hasTime = () => true } = options;
	const { users, userPool } = options.dryRun ? dryRun(options) : options;
	const record = recordUser({ users, userPool });
	const { stoppedBy: _, ...from } = structuredClone(options.from ?? beginning());
	const state: ReconcileState = from;

	const tellChanged = (sub: string, outcome: RecordedUser["outcome"]) => {
		if (options.dryRun) return;
		if (outcome === "unchanged" || outcome === "unconfirmed" || outcome === "absent") return;
		options.onRecorded?.({ sub, outcome });
	};

	const fail = (sub: string, error: RecordUserError | CorruptUser) => {
		const failure = { sub, type: error.type, reason: reasonOf(error) };
		state.failed++;
		if (state.failures.length < failuresKept) state.failures.push(failure);
		options.onFailed?.(failure);
	};

	/** Does the work on every item from where the state says, some at once; answers whether it came to the end of them. */
	async function forEach<T>(
		list: Listing<T, ListingStopped>,
		work: (item: T) => Promise<void>,
	): Promise<boolean> {
		let complete = false;
		async function* items(page = list(state.next?.token)): AsyncGenerator<T> {
			for (;;) {
				const listed = await page;
				if (signal?.aborted) return;
				if (listed.isErr()) {
					state.stoppedBy = { type: listed.error.type, reason: reasonOf(listed.error) };
					options.onStopped?.(listed.error);
					return;
				}
				const { items, next: token } = listed.value;
				// Read while this one is worked on.
				if (token !== undefined) page = list(token);
				for (const item of items) {
					if (signal?.aborted) return;
					yield item;
				}
				if (signal?.aborted) return;
				complete = token === undefined;
				if (complete) return;
				if (state.next) state.next = { ...state.next, token };
				if (!hasTime()) return;
			}
		}
		for await (const _ of pMapIterable(items(), work, { concurrency, preserveOrder: false })) {
			if (state.next) state.next.done++;
			const progress = progressOf(state, options.expected);
			if (progress) options.onProgress?.(progress);
		}
		return complete;
	}

	async function recordOne({ sub, confirmed, account }: ListedAccount): Promise<void> {
		state.listed++;
		if (!confirmed) {
			state.unconfirmed++;
			return;
		}
		(await account.asyncAndThen<RecordedUser, RecordUserError>(record)).match(
			({ outcome }) => {
				state[outcome === "absent" ? "unchanged" : outcome]++;
				tellChanged(sub, outcome);
			},
			(error) => fail(sub, error),
		);
	}

	/** Whether Cognito has no such account. A username may have passed to another; a sub never does. */
	const isUnknown = (sub: string, username: string) =>
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

	/**
	 * Whether the account that a profile belongs to is gone. Who is listed is there; only whoever is not is looked up, as Cognito
	 * counts an account that is looked up as active in that month, and has that paid:
	 * https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html#monthly-active-users
	 */
	const isGone = (sub: string, username: string) =>
		userPool
			.findUsername(sub)
			.map(() => false)
			.orElse((error) =>
				error.type === "AccountNotFound" ? isUnknown(sub, username) : err(error),
			);

	/** Counts the profiles whose account is gone. */
	async function check(
		found: NonNullable<ReconcileState["prune"]>,
		{ sub, username }: ProfileOwner,
	) {
		found.profiles++;
		if (username === undefined) {
			fail(sub, corruptUser);
			return;
		}
		(await isGone(sub, username)).match(
			(isGone) => {
				if (isGone) found.gone++;
			},
			(error) => fail(sub, error),
		);
	}

	/** Removes a profile whose account is gone. */
	async function remove(
		found: NonNullable<ReconcileState["prune"]>,
		{ sub, username }: ProfileOwner,
	) {
		// It failed when it was counted.
		if (username === undefined) return;
		const looked = await isGone(sub, username);
		if (looked.isErr()) return fail(sub, looked.error);
		if (!looked.value) return;
		if (!state.next?.mayRemove) {
			found.left++;
			return;
		}
		state.next.mayRemove--;
		(await users.remove(sub)).match(
			() => {
				state.removed++;
				tellChanged(sub, "removed");
			},
			(error) => fail(sub, error),
		);
	}

	/** Goes on with the phase that the state is in; answers whether it came to its end, which leaves the state in the next one. */
	async function goOn({ phase }: NonNullable<ReconcileState["next"]>): Promise<boolean> {
		const found = state.prune ?? { profiles: 0, gone: 0, left: 0 };
		switch (phase) {
			case "recording accounts": {
				if (!(await forEach(accounts, recordOne))) return false;
				delete state.next;
				if (!prune) return true;
				state.prune = found;
				if (state.listed === 0 && !prune.force) found.refused = "PoolListsNobody";
				else state.next = { phase: "checking profiles", done: 0 };
				return true;
			}
			case "checking profiles": {
				const work = (profile: ProfileOwner) => check(found, profile);
				if (prune && !(await forEach(prune.profiles, work))) return false;
				delete state.next;
				if (!prune || found.gone === 0) return true;
				if (found.gone > Math.max(fewGone, found.profiles / 10) && !prune.force) {
					found.refused = "TooManyGone";
				} else if (options.dryRun) {
					state.removed += found.gone;
				} else if (await prune.approve(found)) {
					state.next = { phase: "removing profiles", done: 0, mayRemove: found.gone };
				} else {
					found.refused = "NotApproved";
				}
				return true;
			}
			case "removing profiles": {
				const work = (profile: ProfileOwner) => remove(found, profile);
				if (prune && !(await forEach(prune.profiles, work))) return false;
				delete state.next;
				return true;
			}
		}
	}

	while (state.next && (await goOn(state.next)) && !signal?.aborted && hasTime());
	if (signal?.aborted) {
		state.interrupted = true;
		// Of the page that it was in, some are done and some are not.
		delete state.next;
	}
	return state;
}

const corruptUser: CorruptUser = {
	type: "CorruptUser",
	issues: [{ path: "username", message: "is missing" }],
};

/** Why, without any message of a service, which might name a person. */
function reasonOf(error: RecordUserError | CorruptUser | ListingStopped): string {
	switch (error.type) {
		case "InvalidIdentity":
		case "CorruptUser":
			return error.issues
				.map(({ path, message }) => `${path} ${message}`.trim())
				.join(", ")
				.slice(0, reasonLength);
		case "StoreUnavailable":
		case "UserPoolUnavailable": {
			const { code, name } = Object(error.cause);
			return String(code ?? name ?? "unknown");
		}
		case "ConcurrentUpdate":
			return "others kept writing it; run it again";
		case "PageExpired":
			return "the token of the page has expired; run it again";
	}
}
