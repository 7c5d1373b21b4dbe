import { isDeepStrictEqual } from "node:util";
import { CognitoIdentityProviderClient } from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Context } from "aws-lambda";
import { createUserPool, listAccounts } from "../adapters/userPool";
import { listProfiles } from "../domain/sync/listProfiles";
import { beginning, type ReconcileState, reconcile } from "../domain/sync/reconcile";
import { openTable } from "../domain/table";
import { createUsers } from "../domain/user/users";
import { reconcileClientOptions } from "./runtime/clientOptions";
import { environment } from "./runtime/environment";
import { logRecorded } from "./runtime/log";

/** What a whole run is asked to do. */
export interface RunOptions {
	readonly prune?: boolean;
	readonly force?: boolean;
	readonly dryRun?: boolean;
}

/** A run: what it is asked to do, and once it has begun, what it has done and where to go on. */
export type Run = { readonly options?: RunOptions } & Partial<ReconcileState>;

/** What is left for the page that is being worked on when this function stops to take new ones. */
const timeForPage = 60_000;
const by = "reconcile";

const userPoolId = environment("USER_POOL_ID");
const cognito = new CognitoIdentityProviderClient(reconcileClientOptions);
const table = openTable({
	tableName: environment("TABLE_NAME"),
	client: new DynamoDBClient(reconcileClientOptions),
});
const users = createUsers(table);
const userPool = createUserPool(userPoolId, cognito);

/**
 * Makes the profiles match the accounts, page by page, until its time is nearly up; answers the run as it is then, with
 * `next` while there is more to do. A state machine hands the answer in again.
 *
 * It throws, named by its type, what keeps it from doing a single page, so that the state machine waits and calls it again with the
 * same run; `PageExpired` if the run must begin anew. Nobody is there to approve of pruning: the options have done so.
 */
export async function handler({ options = {}, ...given }: Run, context: Context): Promise<Run> {
	const { prune = false, force = false, dryRun = false } = options;
	const from: ReconcileState = { ...beginning(), ...given };
	const state = await reconcile({
		users,
		userPool,
		accounts: listAccounts(userPoolId, cognito),
		...(prune && {
			prune: { profiles: listProfiles(table), force, approve: async () => true },
		}),
		dryRun,
		from,
		hasTime: () => context.getRemainingTimeInMillis() > timeForPage,
		onRecorded: ({ sub, outcome }) => logRecorded({ outcome, sub, by }),
		onFailed: (failure) => console.error({ ...failure, by }),
	});

	const { stoppedBy, prune: pruned } = state;
	if (stoppedBy) {
		// To begin anew is no failure.
		const log = stoppedBy.type === "PageExpired" ? console.warn : console.error;
		log({ ...stoppedBy, by });
		if (isDeepStrictEqual(state.next, from.next)) {
			throw Object.assign(new Error(stoppedBy.reason), { name: stoppedBy.type });
		}
	}
	if (pruned?.refused) {
		const { refused: type, profiles, gone } = pruned;
		console.error({ type, profiles, gone, by });
	}
	return { options, ...state };
}
