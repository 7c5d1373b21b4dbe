import { setTimeout } from "node:timers/promises";
import {
	DescribeExecutionCommand,
	GetExecutionHistoryCommand,
	SFNClient,
	type SFNClientConfig,
	StartExecutionCommand,
} from "@aws-sdk/client-sfn";
import { err, ok, type Result, ResultAsync } from "neverthrow";
import { type Progress, progressOf, type ReconcileState } from "../../domain/sync/reconcile";
import type { Run, RunOptions } from "../../handlers/reconcile";
import { explain, NotAws } from "../explain";
import { firstAnswer } from "../firstAnswer";

/** How often it looks. */
const pollMilliseconds = 2_000;
/** As many of the last events as lie at most between two answers of the function: it is tried again thirty times. */
const lastEvents = 100;

/** What to run on AWS, and who wants to know of it. */
export interface OnAwsOptions {
	readonly stateMachineArn: string;
	readonly connection: SFNClientConfig;
	readonly options: RunOptions;
	/** About how many accounts there are, where that is known. */
	readonly expected: number | undefined;
	/** Ends the following; the run goes on. */
	readonly signal: AbortSignal;
	readonly onProgress: (progress: Progress) => void;
}

/** What became of a run on AWS; there is no state of one that is no longer followed. */
export interface Followed {
	readonly state: ReconcileState | undefined;
	/** How to see the run with the AWS CLI. */
	readonly seeIt: string;
}

/**
 * Starts reconcile's state machine and follows it until it has ended, or `signal` says to stop.
 *
 * @returns what it came to, or one sentence that says why it could not be started or followed, or how it failed
 */
export async function reconcileOnAws({
	stateMachineArn,
	connection,
	options,
	expected,
	signal,
	onProgress,
}: OnAwsOptions): Promise<Result<Followed, string>> {
	const region = stateMachineArn.split(":")[3] ?? "";
	const client = new SFNClient({ region, ...connection });
	const target = { what: `state machine ${stateMachineArn}`, flag: "--state-machine" };
	const call = <T>(answer: Promise<T>) =>
		ResultAsync.fromPromise(answer, (cause) => explain(cause, target));
	const input: Run = { options };
	const started = await firstAnswer(target, (options) =>
		client
			.send(new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input) }), options)
			.then(({ executionArn }) => executionArn ?? Promise.reject(new NotAws())),
	);
	if (started.isErr()) return err(started.error);
	const executionArn = started.value;
	const seeIt = `aws stepfunctions describe-execution --region ${region} --execution-arn ${executionArn}`;

	for (;;) {
		const described = await call(client.send(new DescribeExecutionCommand({ executionArn })));
		if (described.isErr()) return err(`${described.error} The run goes on; to see it: ${seeIt}`);
		const { status, output = "{}", error } = described.value;
		if (status === "SUCCEEDED") {
			const { options: _, ...state }: Run = JSON.parse(output);
			return ok({ state: state as ReconcileState, seeIt }); // once it has begun, it has all of a state
		}
		if (status !== "RUNNING") {
			const why = error === undefined ? "" : ` (${error})`;
			return err(
				`The run on AWS has ended as ${status}${why}: see the log of its function, and: ${seeIt}`,
			);
		}
		const history = await call(
			client.send(
				new GetExecutionHistoryCommand({
					executionArn,
					reverseOrder: true,
					maxResults: lastEvents,
				}),
			),
		);
		// Without it there is no progress to show, and the next look may have it.
		const answer = history
			.unwrapOr(undefined)
			?.events?.find(({ type }) => type === "TaskStateExited");
		if (answer) {
			const run = JSON.parse(answer.stateExitedEventDetails?.output ?? "{}");
			const progress = progressOf(run, expected);
			if (progress) onProgress(progress);
		}
		await setTimeout(pollMilliseconds, undefined, { signal }).catch(() => undefined);
		if (signal.aborted) return ok({ state: undefined, seeIt });
	}
}
