import type { FailedAccount, Summary } from "../../domain/sync/reconcile";

/** A summary, and whether it is of a dry run. */
export type ToldSummary = Summary & { readonly dryRun: boolean };

const outcomes = ["created", "updated", "linked", "unchanged", "removed", "failed"] as const;

/** 0 if all was done, 130 if it was interrupted, 1 if anything failed, or was asked for and refused. */
export function exitStatus({ failed, prune, interrupted, stoppedBy }: Summary): number {
	if (interrupted) return 130;
	const refused = prune?.refused !== undefined && prune.refused !== "NotApproved";
	return failed > 0 || stoppedBy || refused ? 1 : 0;
}

/** The summary for scripts: one JSON object. */
export function toJson({ failures, stoppedBy, ...summary }: ToldSummary): string {
	return JSON.stringify({
		...summary,
		failures: failures.map((failure) => ({
			sub: failure.sub,
			type: failure.error.type,
			reason: reasonOf(failure.error),
		})),
		...(stoppedBy && { stoppedBy: { type: stoppedBy.type, reason: reasonOf(stoppedBy) } }),
	});
}

/** The summary for people. It names accounts by sub alone. */
export function toText(summary: ToldSummary): string {
	const { listed, unconfirmed, failed, failures, prune, interrupted, dryRun } = summary;
	const lines = [
		`Accounts listed: ${listed}, of them not confirmed yet: ${unconfirmed}.`,
		...(dryRun ? ["Nothing was written. Without --dry-run, it would be:"] : []),
		...outcomes.map((outcome) => `  ${outcome.padEnd(9)} ${String(summary[outcome]).padStart(8)}`),
		...(prune ? [tellPrune(prune)] : []),
		...(interrupted ? ["It was interrupted: run it again to do the rest."] : []),
		...(failed > 0 ? ["Failed:"] : []),
		...failures.map(({ sub, error }) => `  ${sub}  ${error.type}: ${reasonOf(error)}`),
		...(failed > failures.length ? [`  and ${failed - failures.length} more`] : []),
	];
	return lines.join("\n");
}

function tellPrune({ profiles, gone, left, refused }: NonNullable<Summary["prune"]>): string {
	const found = `Profiles without an account: ${gone} of ${profiles}`;
	switch (refused) {
		case "PoolListsNobody":
			return "No profile was checked, as the pool lists nobody: is it the right one? --force goes on.";
		case "TooManyGone":
			return `${found}, more than twenty and more than a tenth; none was removed: is it the right pool? --force goes on.`;
		case "NotApproved":
			return `${found}; none was removed.`;
		default:
			return left > 0 ? `${found}; ${left} are left for the next run.` : `${found}.`;
	}
}

/** Why, without any message of a service, which might name a person. */
function reasonOf(error: FailedAccount["error"]): string {
	switch (error.type) {
		case "InvalidIdentity":
		case "CorruptUser":
			return error.issues.map(({ path, message }) => `${path} ${message}`.trim()).join(", ");
		case "StoreUnavailable":
		case "UserPoolUnavailable": {
			const { code, name } = Object(error.cause);
			return String(code ?? name ?? "unknown");
		}
		case "ConcurrentUpdate":
			return "others kept writing it; run it again";
	}
}
