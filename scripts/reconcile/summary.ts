import type { ReconcileState } from "../../domain/sync/reconcile";

/** What a run came to, and whether it was a dry run. */
export type ToldSummary = ReconcileState & { readonly dryRun: boolean };

const outcomes = ["created", "updated", "linked", "unchanged", "removed", "failed"] as const;

/** The exit status of a run that was not interrupted: 0 if all was done, 1 if anything failed, or was asked for and refused. */
export function exitStatus({ failed, prune, stoppedBy }: ReconcileState): number {
	const refused = prune?.refused !== undefined && prune.refused !== "NotApproved";
	return failed > 0 || stoppedBy || refused ? 1 : 0;
}

/** The summary for scripts: one JSON object. */
export function toJson({ next, ...summary }: ToldSummary): string {
	return JSON.stringify(summary);
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
		...failures.map(({ sub, type, reason }) => `  ${sub}  ${type}: ${reason}`),
		...(failed > failures.length ? [`  and ${failed - failures.length} more`] : []),
	];
	return lines.join("\n");
}

function tellPrune({
	profiles,
	gone,
	left,
	refused,
}: NonNullable<ReconcileState["prune"]>): string {
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
