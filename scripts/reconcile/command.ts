import {
	CognitoIdentityProviderClient,
	DescribeUserPoolCommand,
	ListUsersCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { Command, CommanderError, Option } from "commander";
import { createUserPool, listAccounts } from "../../adapters/userPool";
import { listProfiles } from "../../domain/sync/listProfiles";
import {
	type ListingStopped,
	type ReconcileOptions,
	type ReconcileState,
	reconcile,
} from "../../domain/sync/reconcile";
import { openTable } from "../../domain/table";
import { createUsers } from "../../domain/user/users";
import { explain, type Target } from "./explain";
import { reconcileOnAws } from "./onAws";
import { progressView } from "./progress";
import { readStackOutputs } from "./stackOutputs";
import { exitStatus, toJson, toText } from "./summary";

interface Flags {
	readonly stack?: string;
	readonly userPoolId?: string;
	readonly table?: string;
	readonly region?: string;
	readonly endpoint?: string;
	readonly dryRun?: true;
	readonly prune?: true;
	readonly yes?: true;
	readonly force?: true;
	readonly json?: true;
	readonly onAws?: true;
	readonly stateMachine?: string;
}

/** What ends the program before it has begun, in one sentence; `status` is 2 for wrong usage. */
class Refusal extends Error {
	constructor(
		message: string,
		readonly status = 1,
	) {
		super(message);
	}
}

const wrongUsage = (message: string) => new Refusal(message, 2);

main().catch((error: unknown) => {
	if (error instanceof CommanderError) {
		process.exitCode = error.exitCode === 0 ? 0 : 2;
	} else if (error instanceof Refusal) {
		console.error(error.message);
		process.exitCode = error.status;
	} else {
		// Anything else is a defect of this program.
		console.error(error);
		process.exitCode = 1;
	}
});

/** Makes the profiles of a table those of a user pool's accounts, and prints what it did. */
async function main(): Promise<void> {
	// Node.js 20 is supported here; the SDK's advice to leave it is not for whoever runs this.
	process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
	const flags = readFlags();
	await (flags.onAws ? runOnAws(flags) : runHere(flags));
}

/** How to reach AWS, with patience for a slow answer, and none for a lost one. */
const connectionOf = (region: string | undefined, { endpoint }: Flags) => ({
	...(region && { region }),
	...(endpoint && { endpoint }),
	requestHandler: {
		connectionTimeout: 5_000,
		requestTimeout: 10_000,
		throwOnRequestTimeout: true,
	},
});

async function runHere(flags: Flags): Promise<void> {
	const place = await resolveStack(flags);
	const { userPoolId, table, region } = place;
	const connection = connectionOf(region, flags);
	const expected = await check(place, connection);

	// Slows down to what Cognito and DynamoDB let through, and waits out what they refuse for now.
	const patience = { ...connection, retryMode: "adaptive", maxAttempts: 10 };
	const cognito = new CognitoIdentityProviderClient(patience);
	const dynamodb = new DynamoDBClient(patience);
	const store = { tableName: table, client: dynamodb };
	const interruption = interruptedBy(
		"SIGINT",
		"Ending after the calls in flight; Ctrl-C again ends at once.",
	);
	const view = progressView(process.stderr);
	let stoppedBy: ListingStopped | undefined;
	const summary = await reconcile({
		users: createUsers(openTable(store)),
		userPool: createUserPool(userPoolId, cognito),
		accounts: listAccounts(userPoolId, cognito),
		...(flags.prune && {
			prune: {
				profiles: listProfiles(openTable(store)),
				force: flags.force ?? false,
				approve: async (found) => {
					view.stop();
					return flags.yes ?? (await ask(found, interruption));
				},
			},
		}),
		dryRun: flags.dryRun ?? false,
		expected,
		signal: interruption.signal,
		onProgress: view.show,
		onStopped: (error) => {
			stoppedBy = error;
		},
	});
	view.stop();
	tell(summary, flags);
	if (stoppedBy) console.error(explainStop(stoppedBy, place));
}

/** Starts the run on AWS, and follows it from here. */
async function runOnAws(flags: Flags): Promise<void> {
	const { stateMachineArn, region, userPoolId } = await resolveStateMachine(flags);
	const connection = connectionOf(region, flags);
	const interruption = interruptedBy("SIGINT", "No longer following it.");
	const view = progressView(process.stderr);
	const { prune = false, force = false, dryRun = false } = flags;
	const followed = await reconcileOnAws({
		stateMachineArn,
		connection,
		options: { prune, force, dryRun },
		expected: userPoolId === undefined ? undefined : await countAccounts(userPoolId, connection),
		signal: interruption.signal,
		onProgress: view.show,
	});
	view.stop();
	if (followed.isErr()) throw new Refusal(followed.error);
	const { state, seeIt } = followed.value;
	if (state) return tell(state, flags);
	console.error(`The run goes on on AWS; to see it: ${seeIt}`);
	process.exitCode = 130;
}

/** Prints what a run came to, and ends with its exit status. */
function tell(state: ReconcileState, { json, dryRun }: Flags): void {
	const told = { ...state, dryRun: dryRun ?? false };
	console.log(json ? toJson(told) : toText(told));
	process.exitCode = exitStatus(state);
}

function explainStop(error: ListingStopped, place: Place): string {
	switch (error.type) {
		case "PageExpired":
			return "Cognito no longer takes the token of the page that comes next: run it again.";
		case "StoreUnavailable":
			return explain(error.cause, ofTable(place));
		case "UserPoolUnavailable":
			return explain(error.cause, ofPool(place));
	}
}

/** Reads the arguments. Throws what is wrong with them; commander has then said it. */
function readFlags(): Flags {
	const command = new Command("npm run reconcile --")
		.description(
			"Gives every confirmed account of a user pool its profile, equal and linked to it.",
		)
		.option("--stack <name>", "read the pool, the table and the region from this Pulumi stack")
		.option("--user-pool-id <id>", "the user pool")
		.option("--table <name>", "the DynamoDB table")
		.option("--region <region>", "the AWS region of both")
		.addOption(
			new Option("--endpoint <url>", "where AWS is, if not on AWS: the embedded stack").argParser(
				toUrl,
			),
		)
		.option("--dry-run", "say what would be done, and write nothing")
		.option("--prune", "remove the profiles whose account is gone, after asking")
		.option("--yes", "with --prune: do not ask")
		.option(
			"--force",
			"with --prune: even if the pool lists nobody, or more than twenty profiles, and more than a tenth of all, would go",
		)
		.option("--json", "print the summary as JSON")
		.option("--on-aws", "start it on AWS, where the schedule starts it, and follow it from here")
		.option("--state-machine <arn>", "with --on-aws: the state machine, if not by --stack")
		.allowExcessArguments(false)
		.exitOverride()
		.configureOutput({
			outputError: (message, write) => write(`${toSentence(message)}\n`),
		});
	const flags = command.parse().opts<Flags>();
	if (flags.onAws) {
		if (flags.stack === undefined && flags.stateMachine === undefined) {
			throw wrongUsage("Say where: with --stack <name>, or with --state-machine <arn>.");
		}
		if (flags.userPoolId !== undefined || flags.table !== undefined) {
			throw wrongUsage("--user-pool-id and --table are not for --on-aws, where both are known.");
		}
	} else if (flags.stateMachine !== undefined) {
		throw wrongUsage("--state-machine is about --on-aws, which is not there.");
	} else if (
		flags.stack === undefined &&
		(flags.userPoolId === undefined || flags.table === undefined)
	) {
		throw wrongUsage(
			"Say where: with --stack <name>, or with --user-pool-id <id> and --table <name>.",
		);
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

/** Where to work: the stack's outputs, over which flags given by hand go. */
async function resolveStack(flags: Flags): Promise<Place> {
	const { stack, userPoolId, table, region } = flags;
	if (stack === undefined) return { userPoolId: userPoolId ?? "", table: table ?? "", region };
	const outputs = await readStackOutputs(stack, ["userPoolId", "tableName", "region"]);
	if (outputs.isErr()) throw new Refusal(outputs.error);
	return {
		userPoolId: userPoolId ?? outputs.value.userPoolId,
		table: table ?? outputs.value.tableName,
		region: region ?? outputs.value.region,
	};
}

/** Which state machine, and where that is known, of which pool. */
async function resolveStateMachine({ stack, stateMachine, region }: Flags) {
	if (stack === undefined) return { stateMachineArn: stateMachine ?? "", region };
	const outputs = await readStackOutputs(stack, [
		"reconcileStateMachineArn",
		"userPoolId",
		"region",
	]);
	if (outputs.isErr()) throw new Refusal(outputs.error);
	const { reconcileStateMachineArn, userPoolId } = outputs.value;
	return {
		stateMachineArn: stateMachine ?? reconcileStateMachineArn,
		userPoolId,
		region: region ?? outputs.value.region,
	};
}

/**
 * Makes sure that pool and table are there and let themselves be read: what would fail for each account alike fails here,
 * once and soon. Answers about how many accounts there are, where Cognito tells.
 */
async function check(place: Place, connection: object): Promise<number | undefined> {
	const { userPoolId, table } = place;
	// Clients of its own, which give up sooner: nobody waits out a wrong endpoint.
	const cognito = new CognitoIdentityProviderClient({ ...connection, maxAttempts: 6 });
	const client = new DynamoDBClient({ ...connection, maxAttempts: 6 });
	try {
		await cognito
			.send(new ListUsersCommand({ UserPoolId: userPoolId, Limit: 1 }))
			.catch((cause) => {
				throw new Refusal(explain(cause, ofPool(place)));
			});
		const read = await createUsers(openTable({ tableName: table, client })).findBySub("nobody");
		if (read.isErr() && read.error.type === "StoreUnavailable") {
			throw new Refusal(explain(read.error.cause, ofTable(place)));
		}
		return await countAccounts(userPoolId, connection);
	} finally {
		cognito.destroy();
		client.destroy();
	}
}

/** About how many accounts there are, where Cognito tells: without it the bar has no end, and all else works. */
async function countAccounts(userPoolId: string, connection: object): Promise<number | undefined> {
	const cognito = new CognitoIdentityProviderClient({ ...connection, maxAttempts: 6 });
	return cognito
		.send(new DescribeUserPoolCommand({ UserPoolId: userPoolId }))
		.then(
			({ UserPool }) => UserPool?.EstimatedNumberOfUsers || undefined,
			() => undefined,
		)
		.finally(() => cognito.destroy());
}

/** Where to work, as the sentences about it name it. */
interface Place {
	readonly userPoolId: string;
	readonly table: string;
	readonly region: string | undefined;
}

const ofPool = ({ userPoolId, region }: Place): Target => ({
	what: `user pool ${userPoolId}${inRegion(region)}`,
	flag: "--user-pool-id",
});
const ofTable = ({ table, region }: Place): Target => ({
	what: `table ${table}${inRegion(region)}`,
	flag: "--table",
});
const inRegion = (region: string | undefined) => (region ? ` in ${region}` : "");

/** Aborts at a signal, and says what that means; a second one ends the program at once. */
function interruptedBy(signal: NodeJS.Signals, sentence: string): AbortController {
	const controller = new AbortController();
	process.once(signal, () => {
		console.error(`\n${sentence}`);
		controller.abort();
	});
	return controller;
}

type Found = Parameters<NonNullable<ReconcileOptions["prune"]>["approve"]>[0];

/** Asks whoever sits at the terminal; Ctrl-C there means no, and ends the run. */
async function ask({ gone, profiles }: Found, interruption: AbortController): Promise<boolean> {
	const { confirm } = await import("@clack/prompts");
	const answer = await confirm({
		message: `Remove ${gone} of ${profiles} profiles, whose accounts are gone?`,
		initialValue: false,
		output: process.stderr,
	});
	if (typeof answer === "boolean") return answer;
	interruption.abort();
	return false;
}

function toUrl(text: string): string {
	if (URL.canParse(text)) return text;
	throw wrongUsage(`--endpoint takes a URL, such as http://127.0.0.1:4566, not '${text}'.`);
}

/** What commander says, in the form of the other messages. */
function toSentence(message: string): string {
	const [first = ""] = message.replace(/^error: /, "").split(/\n|\. /);
	return `${first.charAt(0).toUpperCase()}${first.slice(1)}; see --help.`;
}
