import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import {
	AdminSetUserPasswordCommand,
	CognitoIdentityProviderClient,
} from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import test, { type ExecutionContext, type ImplementationFn } from "ava";
import { createUsers, openTable, type Users } from "../../domain";
import { profileKey } from "../../domain/user/keys";
import { type Stack, startStack } from "../../local/stack";
import { compileCommand, end, environment, onPosix, type TestCommand } from "../../testing/command";
import { emptyPool, emptyStack } from "../../testing/emptyStack";
import { People } from "../../testing/people";
import { withoutTrail } from "../../testing/programs";
import { testProgram } from "../../testing/testStack";

let stack: Stack;
let people: People;
let users: Users;
let cognito: CognitoIdentityProviderClient;
let dynamodb: DynamoDBClient;
let tableName: string;
let command: TestCommand;

test.before(async () => {
	command = await compileCommand(join(__dirname, "command.ts"));
	stack = await startStack({ program: withoutTrail(await testProgram()) });
	people = new People(stack);
	cognito = new CognitoIdentityProviderClient(stack.clientOptions);
	dynamodb = new DynamoDBClient(stack.clientOptions);
	tableName = String(stack.outputs.tableName);
	users = createUsers(openTable({ tableName, client: dynamodb }));
});
test.after.always(async () => {
	await stack.close();
	await command?.remove();
});

/** A test that begins with an empty pool and an empty table; they run one after the other. */
const it = (
	title: string,
	implementation: ImplementationFn<[]>,
	declare: (title: string, implementation: ImplementationFn<[]>) => void = test.serial,
) =>
	declare(title, async (t) => {
		await emptyStack(stack);
		await implementation(t);
	});

/** Confirmed accounts that no trigger has seen, as after an import; answers their subs. */
const admit = (count: number): Promise<string[]> =>
	Promise.all(
		Array.from({ length: count }, async () => {
			const sub = await people.admit(`${randomUUID()}@example.com`);
			await people.change(sub, { name: "Ada" });
			return sub;
		}),
	);

const start = (flags: readonly string[], env?: NodeJS.ProcessEnv) => command.start(flags, env);

/** The flags that say where the embedded stack is. */
const here = () => [
	...["--user-pool-id", String(stack.outputs.userPoolId)],
	...["--table", tableName],
	...["--region", stack.clientOptions.region],
	...["--endpoint", stack.endpoint],
];

const run = (...flags: string[]) => end(start([...here(), ...flags]));

/** Runs it with --json; answers the summary. */
async function summaryOf(...flags: string[]) {
	const { output, errors, status } = await run("--json", ...flags);
	return { ...JSON.parse(output), errors, status };
}

const link = async (sub: string) => (await people.attributes(sub))["custom:userId"];

/** Writes an attribute of a stored profile by hand. */
const alter = (sub: string, name: string, value: unknown) =>
	DynamoDBDocumentClient.from(dynamodb).send(
		new UpdateCommand({
			TableName: tableName,
			Key: profileKey(sub),
			UpdateExpression: "SET #name = :value",
			ExpressionAttributeNames: { "#name": name },
			ExpressionAttributeValues: { ":value": value },
		}),
	);

it("an account that an administrator made is recorded once it is confirmed", async (t) => {
	const email = `${randomUUID()}@example.com`;
	const sub = await people.create(email);
	t.like(await summaryOf(), { listed: 1, unconfirmed: 1, created: 0, status: 0 });
	t.is((await users.findBySub(sub))._unsafeUnwrapErr().type, "UserNotFound");
	await cognito.send(
		new AdminSetUserPasswordCommand({
			UserPoolId: stack.outputs.userPoolId,
			Username: email,
			Password: "Analytical-1843",
			Permanent: true,
		}),
	);
	t.like(await summaryOf(), { listed: 1, unconfirmed: 0, created: 1, status: 0 });
	const user = (await users.findBySub(sub))._unsafeUnwrap();
	t.like(user, { email, emailVerified: true });
	t.is(await link(sub), user.userId);
});

it("what was deleted or changed by hand is as it should be afterwards, and the next run finds nothing to do", async (t) => {
	const [deleted = "", changed = "", unlinked = "", fine = ""] = await admit(4);
	t.like(await summaryOf(), { created: 4 });
	const before = (await users.update(changed, { displayName: "Countess" }))._unsafeUnwrap();
	await users.remove(deleted);
	await alter(changed, "name", "Eve");
	await people.change(unlinked, { "custom:userId": "somebody-else" });

	t.like(await summaryOf(), {
		listed: 4,
		created: 1,
		updated: 1,
		linked: 1,
		unchanged: 1,
		removed: 0,
		failed: 0,
		failures: [],
		interrupted: false,
		dryRun: false,
		errors: "",
		status: 0,
	});
	for (const sub of [deleted, changed, unlinked, fine]) {
		const user = (await users.findBySub(sub))._unsafeUnwrap();
		t.like(user, { sub, name: "Ada", email: (await people.attributes(sub)).email });
		t.is(await link(sub), user.userId);
	}
	const { userId, createdAt, displayName } = before;
	t.like((await users.findBySub(changed))._unsafeUnwrap(), { userId, createdAt, displayName });
	t.like(await summaryOf(), { created: 0, updated: 0, linked: 0, unchanged: 4 });
});

it("--dry-run says what would be done, and makes no call that writes", async (t) => {
	await admit(3);
	const calls = new Set<string>();
	// Not those of functions, which an adopter's may make meanwhile.
	const stop = stack.onCall(({ operation, caller }) => caller === "local" && calls.add(operation));
	const { output, errors, status } = await run("--dry-run", "--prune");
	stop();
	t.is(errors, "");
	t.is(status, 0);
	t.is(
		output,
		[
			"Accounts listed: 3, of them not confirmed yet: 0.",
			"Nothing was written. Without --dry-run, it would be:",
			"  created          3",
			"  updated          0",
			"  linked           0",
			"  unchanged        0",
			"  removed          0",
			"  failed           0",
			"Profiles without an account: 0 of 0.",
			"",
		].join("\n"),
	);
	const writes = [...calls].filter(
		(name) => !/^(ListUsers|GetItem|Scan|DescribeUserPool|AdminGetUser)$/.test(name),
	);
	t.deepEqual(writes, []);
	t.like(await summaryOf(), { created: 3 });
});

it("--prune removes the profiles whose accounts are gone, and no other", async (t) => {
	const [gone = "", ...others] = await admit(11);
	await run();
	await people.delete(gone);
	t.like(await summaryOf("--prune", "--yes"), {
		unchanged: 10,
		removed: 1,
		prune: { profiles: 11, gone: 1, left: 0 },
		status: 0,
	});
	t.is((await users.findBySub(gone))._unsafeUnwrapErr().type, "UserNotFound");
	for (const sub of others) t.true((await users.findBySub(sub)).isOk());
});

it("--prune without anybody to ask, or --yes, is refused before anything is done", async (t) => {
	await admit(1);
	const { output, errors, status } = await run("--prune");
	t.is(output, "");
	t.regex(errors, /^--prune asks .*: add --yes, or look first with --dry-run\.\n$/);
	t.is(status, 2);
	t.like(await summaryOf(), { created: 1 });
});

it("--prune refuses to remove very many, and anything while the pool lists nobody, unless --force", async (t) => {
	const all = await admit(30);
	const [gone, others] = [all.slice(0, 21), all.slice(21)];
	await run();
	await Promise.all(gone.map((sub) => people.delete(sub)));
	const tooMany = await run("--prune", "--yes");
	t.regex(
		tooMany.output,
		/account: 21 of 30, more than twenty and more than a tenth; none was removed: .* --force/,
	);
	t.is(tooMany.status, 1);
	for (const sub of gone) t.true((await users.findBySub(sub)).isOk());
	t.like(await summaryOf("--prune", "--yes", "--force"), { removed: 21, status: 0 });

	for (const sub of others) await people.delete(sub);
	const nobody = await run("--prune", "--yes");
	t.regex(nobody.output, /the pool lists nobody: .* --force/);
	t.is(nobody.status, 1);
	t.like(await summaryOf("--prune", "--yes", "--force"), { removed: 9, status: 0 });
});

it("what fails is named by sub, with the reason, and fails the run; the others are recorded", async (t) => {
	const [invalid = "", corrupt = "", fine = ""] = await admit(3);
	await run();
	await users.remove(fine);
	await people.change(invalid, { email: "Ada Lovelace" });
	await alter(corrupt, "emailVerified", "yes");
	const summary = await summaryOf();
	t.like(summary, { created: 1, failed: 2, status: 1 });
	const bySub = (one: { sub: string }, other: { sub: string }) => (one.sub < other.sub ? -1 : 1);
	t.deepEqual(
		summary.failures.sort(bySub),
		[
			{ sub: invalid, type: "InvalidIdentity", reason: "email is malformed" },
			{ sub: corrupt, type: "CorruptUser", reason: "emailVerified is of the wrong type" },
		].sort(bySub),
	);
	const { output, status } = await run();
	t.is(status, 1);
	t.true(output.includes(`  ${invalid}  InvalidIdentity: email is malformed\n`));
	t.false(/@|Ada/.test(output));
});

it("what Cognito throttles is waited out", async (t) => {
	await admit(1);
	const lift = stack.fault({
		service: "cognito-idp",
		operation: "AdminUpdateUserAttributes",
		kind: "throttle",
		// As often as the SDK tries by itself.
		times: 3,
	});
	t.like(await summaryOf(), { created: 1, failed: 0, status: 0 });
	lift();
});

for (const [signal, expected] of [
	["SIGINT", 130],
	["SIGTERM", 143],
] as const) {
	it(
		`${signal} ends it after the calls in flight, with the summary, and another run does the rest`,
		async (t) => {
			await admit(40);
			const lift = stack.fault({
				service: "dynamodb",
				operation: "PutItem",
				kind: "delay",
				milliseconds: 60_000,
			});
			const begun = new Promise<void>((resolve) => {
				stack.onCall(({ operation }) => operation === "PutItem" && resolve());
			});
			const child = start([...here(), "--json"]);
			const ended = end(child);
			await begun;
			child.kill(signal);
			child.stderr.once("data", lift);
			const { output, errors, status } = await ended;
			t.is(status, expected);
			t.regex(errors, /^Ending after the calls in flight; [^\n]*\n$/);
			const summary = JSON.parse(output);
			t.true(summary.interrupted);
			t.true(summary.created > 0 && summary.created < 40);
			t.like(await summaryOf(), { created: 40 - summary.created, unchanged: summary.created });
		},
		onPosix,
	);
}

it(
	"a second Ctrl-C ends it at once",
	async (t) => {
		await admit(1);
		const lift = stack.fault({ service: "dynamodb", operation: "PutItem", kind: "hang" });
		t.teardown(lift);
		const begun = new Promise<void>((resolve) => {
			stack.onCall(({ operation }) => operation === "PutItem" && resolve());
		});
		const child = start(here());
		const ended = once(child, "close");
		await begun;
		child.kill("SIGINT");
		await once(child.stderr, "data");
		child.kill("SIGINT");
		t.deepEqual(await ended, [null, "SIGINT"]);
	},
	onPosix,
);

/** The flags that say where the state machine is; its region is in its ARN. */
const there = () => [
	...["--on-aws", "--state-machine", String(stack.outputs.reconcileStateMachineArn)],
	...["--endpoint", stack.endpoint],
];

it("--on-aws does it there, and tells the same with the same exit status", async (t) => {
	const all = await admit(12);
	await run();
	const [changed = "", lost = "", ...gone] = all;
	await alter(changed, "name", "Eve");
	await users.remove(lost);
	for (const sub of gone.slice(0, 2)) await people.delete(sub);
	await people.create(`${randomUUID()}@example.com`);

	const dry = ["--dry-run", "--prune"];
	const dryHere = await run(...dry);
	t.deepEqual(await end(start([...there(), ...dry])), dryHere);
	t.is(dryHere.status, 0);
	const real = await end(start([...there(), "--prune", "--yes", "--json"]));
	t.is(real.errors, "");
	t.is(real.status, 0);
	t.deepEqual(JSON.parse(real.output), {
		listed: 11,
		unconfirmed: 1,
		created: 1,
		updated: 1,
		linked: 0,
		unchanged: 8,
		removed: 2,
		failed: 0,
		failures: [],
		prune: { profiles: 12, gone: 2, left: 0 },
		interrupted: false,
		dryRun: false,
	});
	await emptyPool(stack);
	const nobody = ["--prune", "--yes"];
	const refused = await end(start([...there(), ...nobody]));
	t.is(refused.status, 1);
	t.deepEqual(refused, await run(...nobody));
	t.like(await end(start([...there(), ...nobody, "--force"])), { status: 0 });
	t.is((await users.findBySub(changed))._unsafeUnwrapErr().type, "UserNotFound");
});

it("--stack says which state machine --on-aws starts", async (t) => {
	const [sub = ""] = await admit(1);
	const { pulumi, flags, env } = await openPulumi(t);
	await pulumi(`console.log(${JSON.stringify(JSON.stringify(stack.outputs))})`);
	const found = await end(start([...flags, "--on-aws", "--endpoint", stack.endpoint], env));
	t.is(found.errors, "");
	t.is(found.status, 0);
	t.true((await users.findBySub(sub)).isOk());
});

it(
	"Ctrl-C stops following a run on AWS, which goes on",
	async (t) => {
		const [sub = ""] = await admit(1);
		const lift = stack.fault({
			service: "dynamodb",
			operation: "PutItem",
			kind: "delay",
			milliseconds: 60_000,
		});
		const begun = new Promise<void>((resolve) => {
			stack.onCall(({ operation }) => operation === "PutItem" && resolve());
		});
		const child = start(there());
		const ended = end(child);
		await begun;
		child.kill("SIGINT");
		const { output, errors, status } = await ended;
		t.is(status, 130);
		t.is(output, "");
		t.regex(
			errors,
			/goes on on AWS; to see it: aws stepfunctions describe-execution --region us-east-1 --execution-arn arn:aws:states:\S+\n$/,
		);
		t.true((await users.findBySub(sub)).isErr());
		lift();
		await stack.settled();
		t.true((await users.findBySub(sub)).isOk());
	},
	onPosix,
);

it("a run on AWS that fails is told in a sentence", async (t) => {
	const caller = "states/reconcile";
	const lift = stack.fault({ service: "lambda", caller, kind: "throttle" });
	const { output, errors, status } = await end(start(there()));
	lift();
	t.is(output, "");
	t.is(status, 1);
	t.regex(
		errors,
		/^The run on AWS has ended as FAILED \(Lambda.TooManyRequestsException\): see [^\n]*\n$/,
	);
});

/** A pulumi on the PATH that is a script of a test's own. */
async function openPulumi(t: ExecutionContext) {
	const bin = await mkdtemp(join(tmpdir(), "pulumi-"));
	t.teardown(() => rm(bin, { recursive: true }));
	return {
		pulumi: (script: string) =>
			writeFile(join(bin, "pulumi"), `#!${process.execPath}\n${script}`, { mode: 0o755 }),
		flags: ["--stack", "dev"],
		env: { ...environment(), PATH: bin },
	};
}

it(
	"--stack reads where to work from Pulumi",
	async (t) => {
		const [sub = ""] = await admit(1);
		const { pulumi, flags, env } = await openPulumi(t);
		const withPulumi = (...more: string[]) => end(start([...flags, ...more], env));

		const missing = await withPulumi();
		t.is(missing.status, 1);
		t.regex(missing.errors, /^There is no pulumi on the PATH: [^\n]*\n$/);

		await pulumi("console.error(\"error: no stack named 'dev' found\"); process.exitCode = 255;");
		const failing = await withPulumi();
		t.is(failing.status, 1);
		t.regex(failing.errors, /^pulumi cannot read .* stack dev: no stack named 'dev' found\n$/);

		await pulumi(
			"console.error('Downloading pulumi v3.0.0...\\npulumi: fetch failed'); process.exitCode = 1;",
		);
		const offline = await withPulumi();
		t.is(offline.status, 1);
		t.regex(offline.errors, /^pulumi cannot be downloaded, .* \(fetch failed\): check the network/);

		await pulumi("console.log('{}')");
		const fresh = await withPulumi();
		t.is(fresh.status, 1);
		t.regex(
			fresh.errors,
			/^The stack dev has no output userPoolId, .*: run npx pulumi up [^\n]*\n$/,
		);

		const asked = '["stack","output","--json","--non-interactive","--stack","dev"]';
		await pulumi(`
		if (JSON.stringify(process.argv.slice(2)) !== '${asked}') process.exit(1);
		console.log(${JSON.stringify(JSON.stringify(stack.outputs))});
	`);
		const found = await withPulumi("--endpoint", stack.endpoint);
		t.is(found.errors, "");
		t.is(found.status, 0);
		t.true((await users.findBySub(sub)).isOk());
	},
	onPosix,
);

for (const [what, flags, sentence] of [
	["no place", [], /^Say where: with --stack <name>, or with --user-pool-id/],
	["half a place", ["--user-pool-id", "x"], /^Say where: /],
	["an unknown flag", ["--prun"], /^Unknown option '--prun'; see --help/],
	["an argument", ["dev"], /^Too many arguments; see --help/],
	["a flag without its value", ["--stack"], /^Option '--stack <name>' argument missing/],
	["no state machine", ["--on-aws"], /^Say where: with --stack <name>, or with --state-machine/],
	["a state machine for here", ["--state-machine", "x"], /^--state-machine is about --on-aws/],
	[
		"a table for AWS",
		["--on-aws", "--stack", "dev", "--table", "x"],
		/^--user-pool-id and --table/,
	],
	["--prune on AWS", ["--on-aws", "--stack", "dev", "--prune"], /^On AWS nobody is asked .* --yes/],
	["an endpoint that is no URL", ["--endpoint", "4566"], /^--endpoint takes a URL/],
	["an endpoint without a scheme", ["--endpoint", "localhost:4566"], /^--endpoint takes a URL/],
	["an endpoint of ftp", ["--endpoint", "ftp://127.0.0.1"], /^--endpoint takes a URL of http/],
	["a table without a name", ["--table", ""], /^--table is empty/],
	["a region with a space", ["--region", "eu west 1"], /^--region takes an AWS region, such as/],
	[
		"a state machine that is no ARN",
		["--on-aws", "--state-machine", "reconcile"],
		/^--state-machine takes an ARN/,
	],
	["--force without --prune", ["--stack", "dev", "--force"], /^--yes and --force are about/],
] as const) {
	test(`${what} is wrong usage, told in a sentence`, async (t) => {
		const { output, errors, status } = await end(start(flags));
		t.is(output, "");
		t.is(status, 2);
		t.regex(errors, sentence);
		t.is(errors.trim().split("\n").length, 1);
	});
}

for (const [what, change, sentence] of [
	[
		"a user pool that is not there",
		{ "--user-pool-id": "us-east-1_none" },
		/^There is no user pool us-east-1_none in us-east-1: check --user-pool-id and --region\.\n$/,
	],
	[
		"a state machine that is not there",
		{
			"--user-pool-id": undefined,
			"--table": undefined,
			"--on-aws": "",
			"--state-machine": "arn:aws:states:us-east-1:123456789012:stateMachine:none",
		},
		/^There is no state machine arn:\S+: check --state-machine and --region\.\n$/,
	],
	[
		"a table that is not there",
		{ "--table": "none" },
		/^There is no table none in us-east-1: check --table/,
	],
	[
		"an endpoint where nothing answers",
		{ "--endpoint": "http://127.0.0.1:1" },
		/^Nothing answers for user pool .* \(ECONNREFUSED\): check/,
	],
	["no region", { "--region": undefined }, /^There is no AWS region: give --region/],
	["no credentials", { AWS_ACCESS_KEY_ID: "" }, /^There are no AWS credentials: set /],
] as const) {
	test(`${what} is told in a sentence, before anything is done`, async (t) => {
		const place = {
			"--user-pool-id": stack.outputs.userPoolId,
			"--table": tableName,
			"--region": stack.clientOptions.region,
			"--endpoint": stack.endpoint,
		};
		const flags = Object.entries({ ...place, ...change }).filter(
			([name, value]) => name.startsWith("--") && value !== undefined,
		);
		const { output, errors, status } = await end(
			start(
				flags
					.flat()
					.filter((flag) => flag !== "")
					.map(String),
				{ ...environment(), ...change },
			),
		);
		t.is(output, "");
		t.is(status, 1);
		t.regex(errors, sentence);
		t.is(errors.trim().split("\n").length, 1);
	});
}

/** A server that does so with each request, and the flags for a pool there. */
async function openServer(t: ExecutionContext, listener: RequestListener): Promise<string[]> {
	const server = createServer(listener).listen(0, "127.0.0.1");
	await once(server, "listening");
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
	});
	const { port } = server.address() as AddressInfo; // of a server that listens on a port
	const place = ["--user-pool-id", "x", "--table", "x", "--region", "eu-west-1"];
	return [...place, "--endpoint", `http://127.0.0.1:${port}`];
}

test("a server that answers anything with an empty object is not taken for an empty pool", async (t) => {
	const flags = await openServer(t, (_, response) => response.end("{}"));
	const { output, errors, status } = await end(start(flags));
	t.is(output, "");
	t.is(status, 1);
	t.regex(errors, /^What answers for user pool x in eu-west-1 is neither AWS nor [^\n]*\n$/);
});

test("who waits for a silent server is told so", async (t) => {
	const child = start(await openServer(t, () => {}));
	t.teardown(() => child.kill());
	const [told] = await once(child.stderr, "data");
	t.regex(String(told), /^Waiting for (user pool|table) x in eu-west-1\.\n/);
});

test("a reader that has gone, as head does, is no failure", async (t) => {
	const child = start(["--help"]);
	child.stdout.destroy();
	const [errors, [status]] = await Promise.all([text(child.stderr), once(child, "close")]);
	t.is(errors, "");
	t.is(status, 0);
});

const testOnLinux = process.platform === "linux" ? test : test.skip;

testOnLinux("output for which the disk has no space is a failure", async (t) => {
	const full = await open("/dev/full", "w");
	t.teardown(() => full.close());
	const { status, stderr } = spawnSync(process.execPath, [command.path, "--help"], {
		stdio: ["ignore", full.fd, "pipe"],
		encoding: "utf8",
	});
	t.is(stderr, "The output cannot be written (ENOSPC).\n");
	t.is(status, 1);
});
