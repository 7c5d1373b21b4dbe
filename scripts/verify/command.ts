import { once } from "node:events";
import {
	CognitoIdentityProviderClient,
	DescribeUserPoolClientCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import { type StepResult, take, toText } from "../../demonstration/run";
import { defaultSeconds } from "../../demonstration/steps";
import { profileKey } from "../../domain/user/keys";
import { NotAws } from "../explain";
import { firstAnswer } from "../firstAnswer";
import { takeSignals } from "../interruption";
import {
	connectionOf,
	type Place,
	type PlaceFlags,
	placedCommand,
	resolvePlace,
	targetOf,
} from "../place";
import { Refusal, runCommand, wrongUsage } from "../refusal";
import { type Deployed, demonstrationOn } from "./deployed";
import { showWaiting } from "./waiting";

interface Flags extends PlaceFlags {
	readonly timeout: number;
	readonly json?: true;
}

const resources = ["userPoolId", "clientId", "table"] as const;

/** What a run came to. */
interface Verified {
	/** Whether no step has failed, none is missing, and nothing is left. */
	readonly held: boolean;
	readonly interrupted: boolean;
	readonly steps: readonly StepResult[];
	/** What could not be removed, and how to. */
	readonly left: readonly string[];
}

/** Shows on a deployed stack, with a person who is nobody, that it works, and removes all of her. */
runCommand(async () => {
	const { timeout, json = false, ...flags } = readFlags();
	const place = await resolvePlace(flags, resources);
	await check(place);
	const deployed = demonstrationOn(place, timeout);
	const interruption = takeSignals();
	// Unlike console.log, it tells when the output cannot be written.
	const write = (text: string) => process.stdout.write(`${text}\n`);
	const verified = await verify(deployed, timeout, interruption.signal, json ? () => {} : write);
	write(json ? JSON.stringify(verified) : `\n${summaryOf(verified)}`);
	for (const each of verified.left) console.error(`Left behind: ${each}`);
	if (!verified.held) process.exitCode = 1;
	// The step that was interrupted may still wait for something.
	if (verified.interrupted) process.stdout.write("", () => process.exit(interruption.status()));
});

/** Takes the steps until one fails, all are done, or the signal aborts; and cleans up in any case. */
async function verify(
	{ email, steps, cleanUp }: Deployed,
	seconds: number,
	signal: AbortSignal,
	tell: (text: string) => void,
): Promise<Verified> {
	const results: StepResult[] = [];
	let left: readonly string[] = [];
	const aborted = once(signal, "abort").then(() => undefined);
	try {
		for (const [name, step] of Object.entries(steps)) {
			const stopShowing = showWaiting(process.stderr, name, seconds);
			const result = await Promise.race([take(name, step), aborted]).finally(stopShowing);
			if (!result) {
				console.error(
					`Removing what was made; Ctrl-C again ends at once, and may leave the account ${email}.`,
				);
				break;
			}
			results.push(result);
			tell(toText(withTime(result)));
			if (result.outcome === "failed") break;
		}
	} finally {
		left = await cleanUp();
	}
	const all = results.length === Object.keys(steps).length;
	const failed = results.some(({ outcome }) => outcome === "failed");
	return {
		held: all && !failed && left.length === 0,
		interrupted: signal.aborted,
		steps: results,
		left,
	};
}

/** The result with the time in its name, where it took over a second. */
function withTime(result: StepResult): StepResult {
	const { name, milliseconds } = result;
	if (milliseconds < 1_000) return result;
	return { ...result, name: `${name} (${(milliseconds / 1_000).toFixed(1)} s)` };
}

function summaryOf({ held, interrupted, steps, left }: Verified): string {
	const removed = left.length === 0 ? " Her account and profile are removed." : "";
	if (interrupted) return `It was interrupted.${removed}`;
	if (!held) {
		return `It does not work as it should: see docs/operations.md, "When an alarm goes off".${removed}`;
	}
	const skipped = steps.filter(({ outcome }) => outcome === "skipped").length;
	const but = skipped > 0 ? `, but for ${skipped} skipped` : "";
	return `It works: all steps held${but}.${removed}`;
}

/** Reads the arguments. Throws what is wrong with them; commander has then said it. */
function readFlags(): Flags {
	return placedCommand(
		"verify",
		"Shows on a deployed stack that it works: signs a person up, follows what becomes of her, and removes her.",
		resources,
	)
		.option(
			"--timeout <seconds>",
			"the longest time to wait for anything",
			toSeconds,
			defaultSeconds,
		)
		.option("--json", "print the steps as JSON")
		.addHelpText(
			"after",
			`
CloudTrail often takes minutes: with a trail that is slow, --timeout 600 waits for it.

It needs cognito-idp:DescribeUserPoolClient, AdminConfirmSignUp, AdminGetUser, AdminUpdateUserAttributes and AdminDeleteUser
on the user pool, dynamodb:GetItem and DeleteItem on the table, and dynamodb:Query on its indexes.`,
		)
		.parse()
		.opts<Flags>();
}

function toSeconds(text: string): number {
	if (/^\d{1,5}$/.test(text) && Number(text) > 0) return Number(text);
	throw wrongUsage(`--timeout takes whole seconds, such as ${defaultSeconds}, not '${text}'.`);
}

/** Makes sure that app client, pool and table are there and let themselves be read, before anything is made. */
async function check(place: Place<(typeof resources)[number]>): Promise<void> {
	const cognito = new CognitoIdentityProviderClient(connectionOf(place));
	const dynamodb = new DynamoDBClient(connectionOf(place));
	const { userPoolId: UserPoolId, clientId: ClientId, table: TableName } = place;
	const pool = targetOf("userPoolId", place);
	const client = {
		what: `app client ${ClientId} of ${pool.what}`,
		flag: `${targetOf("clientId", place).flag}, ${pool.flag}`,
	};
	const [described, read] = await Promise.all([
		firstAnswer(client, (options) =>
			cognito
				.send(new DescribeUserPoolClientCommand({ UserPoolId, ClientId }), options)
				.then(({ UserPoolClient }) => UserPoolClient ?? Promise.reject(new NotAws())),
		),
		firstAnswer(targetOf("table", place), (options) =>
			DynamoDBDocumentClient.from(dynamodb).send(
				new GetCommand({ TableName, Key: profileKey("nobody") }),
				options,
			),
		),
	]);
	cognito.destroy();
	dynamodb.destroy();
	if (described.isErr()) throw new Refusal(described.error);
	if (read.isErr()) throw new Refusal(read.error);
}
