import {
	CognitoIdentityProviderClient,
	DescribeUserPoolCommand,
	ListUsersCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import { createUserPool, listAccounts } from "../../adapters/userPool";
import { listProfiles } from "../../domain/sync/listProfiles";
import { type ListingStopped, type ReconcileState, reconcile } from "../../domain/sync/reconcile";
import { openTable } from "../../domain/table";
import { profileKey } from "../../domain/user/keys";
import { createUsers } from "../../domain/user/users";
import { explain, NotAws } from "../explain";
import { firstAnswer } from "../firstAnswer";
import { type Interruption, takeSignals } from "../interruption";
import {
	connectionOf,
	type Place,
	type PlaceFlags,
	placedCommand,
	resolvePlace,
	targetOf,
} from "../place";
import { Refusal, runCommand, wrongUsage } from "../refusal";
import { ask } from "./ask";
import { reconcileOnAws } from "./onAws";
import { progressView } from "./progress";
import { exitStatus, toJson, toText } from "./summary";

interface Flags extends PlaceFlags {
	readonly dryRun?: true;
	readonly prune?: true;
	readonly yes?: true;
	readonly force?: true;
	readonly json?: true;
	readonly onAws?: true;
}

type PoolAndTable = Place<"userPoolId" | "table">;

/** Makes the profiles of a table those of a user pool's accounts, and prints what it did. */
runCommand(async () => {
	const flags = readFlags();
	await (flags.onAws ? runOnAws(flags) : runHere(flags));
});

async function runHere(flags: Flags): Promise<void> {
	const place = await resolvePlace(flags, ["userPoolId", "table"]);
	const { userPoolId, table } = place;
	const connection = connectionOf(place);
	const expected = await check(place, connection);

	// Slows down to what Cognito and DynamoDB let through, and waits out what they refuse for now.
	const patience = { ...connection, retryMode: "adaptive", maxAttempts: 10 };
	const cognito = new CognitoIdentityProviderClient(patience);
	const dynamodb = new DynamoDBClient(patience);
	const store = { tableName: table, client: dynamodb };
	const interruption = takeSignals();
	const { signal } = interruption;
	const view = progressView(process.stderr, signal);
	const tellEnding = () =>
		console.error("Ending after the calls in flight; Ctrl-C again ends at once.");
	signal.addEventListener("abort", tellEnding);
	let stoppedBy: ListingStopped | undefined;
	const summary = await reconcile({
		users: createUsers(openTable(store)),
		userPool: createUserPool(userPoolId, cognito),
		accounts: listAccounts(userPoolId, cognito),
		...(flags.prune && {
			prune: {
				profiles: listProfiles(openTable(store)),
				force: flags.force ?? false,
				approve: async ({ gone, profiles }) => {
					view.stop();
					if (flags.yes) return true;
					// No call is in flight while it asks.
					signal.removeEventListener("abort", tellEnding);
					const question = `Remove ${gone} of ${profiles} profiles, whose accounts are gone?`;
					const approved = await ask(question, process.stdin, process.stderr, signal);
					signal.addEventListener("abort", tellEnding);
					return approved;
				},
			},
		}),
		dryRun: flags.dryRun ?? false,
		expected,
		signal,
		onProgress: view.show,
		onStopped: (error) => {
			stoppedBy = error;
		},
	});
	view.stop();
	tell(summary, flags, interruption);
	if (stoppedBy) console.error(explainStop(stoppedBy, place));
}

/** Starts the run on AWS, and follows it from here. */
async function runOnAws(flags: Flags): Promise<void> {
	// The pool only tells how far it is; without a stack nobody has said which it is.
	const place: Place<"stateMachine"> & { readonly userPoolId?: string } = await resolvePlace(
		flags,
		flags.stack === undefined ? ["stateMachine"] : ["stateMachine", "userPoolId"],
	);
	const { stateMachine, userPoolId } = place;
	const connection = connectionOf(place);
	const interruption = takeSignals();
	const view = progressView(process.stderr, interruption.signal);
	const { prune = false, force = false, dryRun = false } = flags;
	const followed = await reconcileOnAws({
		stateMachineArn: stateMachine,
		connection,
		options: { prune, force, dryRun },
		expected: userPoolId === undefined ? undefined : await countAccounts(userPoolId, connection),
		signal: interruption.signal,
		onProgress: view.show,
	});
	view.stop();
	if (followed.isErr()) throw new Refusal(followed.error);
	const { state, seeIt } = followed.value;
	if (state) return tell(state, flags, interruption);
	console.error(`The run goes on on AWS; to see it: ${seeIt}`);
	process.exitCode = interruption.status();
}

/** Prints what a run came to, and ends with its exit status. */
function tell(state: ReconcileState, { json, dryRun }: Flags, interruption: Interruption): void {
	const told = { ...state, dryRun: dryRun ?? false };
	// Unlike console.log, it tells when the output cannot be written.
	process.stdout.write(`${json ? toJson(told) : toText(told)}\n`);
	process.exitCode = state.interrupted ? interruption.status() : exitStatus(state);
}

function explainStop(error: ListingStopped, place: PoolAndTable): string {
	switch (error.type) {
		case "PageExpired":
			return "Cognito no longer takes the token of the page that comes next: run it again.";
		case "StoreUnavailable":
			return explain(error.cause, targetOf("table", place));
		case "UserPoolUnavailable":
			return explain(error.cause, targetOf("userPoolId", place));
	}
}

/** Reads the arguments. Throws what is wrong with them; commander has then said it. */
function readFlags(): Flags {
	const command = placedCommand(
		"reconcile",
		"Gives every confirmed account of a user pool its profile, equal and linked to it.",
		["userPoolId", "table", "stateMachine"],
	)
		.option("--dry-run", "say what would be done, and write nothing")
		.option("--prune", "remove the profiles whose account is gone, after asking")
		.option("--yes", "with --prune: do not ask")
		.option(
			"--force",
			"with --prune: even if the pool lists nobody, or more than twenty profiles, and more than a tenth of all, would go",
		)
		.option("--json", "print the summary as JSON")
		.option("--on-aws", "start it on AWS, where the schedule starts it, and follow it from here");
	const flags = command.parse().opts<Flags>();
	if (flags.onAws) {
		if (flags.userPoolId !== undefined || flags.table !== undefined) {
			throw wrongUsage("--user-pool-id and --table are not for --on-aws, where both are known.");
		}
		if (
			flags.stateMachine !== undefined &&
			!/^arn:\S+:stateMachine:\S+$/.test(flags.stateMachine)
		) {
			throw wrongUsage(
				`--state-machine takes an ARN, such as the stack's output reconcileStateMachineArn, not '${flags.stateMachine}'.`,
			);
		}
	} else if (flags.stateMachine !== undefined) {
		throw wrongUsage("--state-machine is about --on-aws, which is not there.");
	}
	if (!flags.prune && (flags.yes || flags.force)) {
		throw wrongUsage("--yes and --force are about --prune, which is not there.");
	}
	if (flags.onAws && flags.prune && !flags.dryRun && !flags.yes) {
		throw wrongUsage(
			"On AWS nobody is asked before --prune removes: add --yes, or look first with --dry-run.",
		);
	}
	// Whether somebody can be asked, and sees the question.
	const asks = process.stdin.isTTY && process.stderr.isTTY;
	if (flags.prune && !flags.dryRun && !flags.yes && !asks) {
		throw wrongUsage(
			"--prune asks before it removes, and here is no terminal: add --yes, or look first with --dry-run.",
		);
	}
	return flags;
}

/**
 * Makes sure that pool and table are there and let themselves be read: what would fail for each account alike fails here,
 * once and soon. Answers about how many accounts there are, where Cognito tells.
 */
async function check(place: PoolAndTable, connection: object): Promise<number | undefined> {
	const { userPoolId, table } = place;
	const cognito = new CognitoIdentityProviderClient(connection);
	const dynamodb = new DynamoDBClient(connection);
	const [accounts, read] = await Promise.all([
		firstAnswer(targetOf("userPoolId", place), (options) =>
			cognito
				.send(new ListUsersCommand({ UserPoolId: userPoolId, Limit: 1 }), options)
				.then(({ Users }) => Users ?? Promise.reject(new NotAws())),
		),
		firstAnswer(targetOf("table", place), (options) =>
			DynamoDBDocumentClient.from(dynamodb).send(
				new GetCommand({ TableName: table, Key: profileKey("nobody") }),
				options,
			),
		),
	]);
	cognito.destroy();
	dynamodb.destroy();
	if (accounts.isErr()) throw new Refusal(accounts.error);
	if (read.isErr()) throw new Refusal(read.error);
	return countAccounts(userPoolId, connection);
}

/** About how many accounts there are, where Cognito tells: without it the bar has no end, and all else works. */
async function countAccounts(userPoolId: string, connection: object): Promise<number | undefined> {
	const cognito = new CognitoIdentityProviderClient(connection);
	return cognito
		.send(new DescribeUserPoolCommand({ UserPoolId: userPoolId }), {
			abortSignal: AbortSignal.timeout(3_000),
		})
		.then(
			({ UserPool }) => UserPool?.EstimatedNumberOfUsers || undefined,
			() => undefined,
		)
		.finally(() => cognito.destroy());
}
