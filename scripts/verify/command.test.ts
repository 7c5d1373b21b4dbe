import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import {
	AdminDeleteUserCommand,
	CognitoIdentityProviderClient,
	ListUsersCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { DeleteItemCommand, DynamoDBClient, ScanCommand } from "@aws-sdk/client-dynamodb";
import test, { type ImplementationFn } from "ava";
import type { StepResult } from "../../demonstration/run";
import { demonstrate } from "../../local/demonstration";
import type { Fault } from "../../local/faults";
import type { Program } from "../../local/program";
import { type Stack, startStack } from "../../local/stack";
import { compileCommand, end, environment, onPosix, type TestCommand } from "../../testing/command";
import { testProgram } from "../../testing/testStack";

let stack: Stack;
/** One whose setting passwordAuth is false. */
let passwordless: Stack;
let command: TestCommand;

test.before(async () => {
	command = await compileCommand(join(__dirname, "command.ts"));
	const program = await testProgram();
	stack = await startStack({ program });
	passwordless = await startStack({ program: withoutPasswordAuth(program) });
});
test.after.always(async () => {
	await stack?.close();
	await passwordless?.close();
	await command?.remove();
});

/** A program as with the setting `passwordAuth` false. */
const withoutPasswordAuth = (program: Program): Program => ({
	...program,
	resources: program.resources.map((resource) => {
		const flows = resource.inputs.explicitAuthFlows;
		if (!Array.isArray(flows)) return resource;
		const explicitAuthFlows = flows.filter((flow) => flow !== "ALLOW_USER_PASSWORD_AUTH");
		return { ...resource, inputs: { ...resource.inputs, explicitAuthFlows } };
	}),
});

const start = (flags: readonly string[], env?: NodeJS.ProcessEnv) => command.start(flags, env);

/** The flags that say where a stack is. */
const placeOf = ({ outputs, clientOptions, endpoint }: Stack) => [
	...["--user-pool-id", String(outputs.userPoolId)],
	...["--client-id", String(outputs.userPoolClientId)],
	...["--table", String(outputs.tableName)],
	...["--region", clientOptions.region],
	...["--endpoint", endpoint],
];

/** Runs it with --json; answers what it says, its last step, and its exit status. */
async function verify(where: Stack, ...flags: string[]) {
	const { output, errors, status } = await end(start([...placeOf(where), "--json", ...flags]));
	const told: { held: boolean; interrupted: boolean; steps: StepResult[]; left: string[] } =
		JSON.parse(output);
	return { ...told, last: told.steps.at(-1), errors, status };
}

/** What is in the pool and in the table of a stack, once all is done that goes on there. */
async function contentsOf({ settled, outputs, clientOptions }: Stack) {
	await settled();
	const cognito = new CognitoIdentityProviderClient(clientOptions);
	const { Users = [] } = await cognito.send(
		new ListUsersCommand({ UserPoolId: outputs.userPoolId }),
	);
	const dynamodb = new DynamoDBClient(clientOptions);
	const { Items = [] } = await dynamodb.send(new ScanCommand({ TableName: outputs.tableName }));
	return [...Users, ...Items];
}

/** A test after which the stack holds no more than before it; they run one after the other. */
const it = (
	title: string,
	implementation: ImplementationFn<[]>,
	declare: (title: string, implementation: ImplementationFn<[]>) => void = test.serial,
) =>
	declare(title, async (t) => {
		const before = await contentsOf(stack);
		await implementation(t);
		t.deepEqual(await contentsOf(stack), before);
	});

/** As in an account that has no trail: its records never come. */
const noTrail: Fault = {
	service: "sqs",
	operation: "SendMessage",
	about: "AWS API Call via CloudTrail",
	kind: "fail",
	code: "AccessDenied",
};

/** What the command does with the table fails. */
const tableDown: Fault = {
	service: "dynamodb",
	caller: "local",
	kind: "fail",
	code: "ResourceInUseException",
};

/** Begins faults with the next call of an operation; the function returned lifts them. */
function beginAt(operation: string, ...faults: Fault[]): () => void {
	let lift = () => {};
	called(operation).then(() => {
		lift = begin(...faults);
	});
	return () => lift();
}

/** Nobody hears of the sign-up. */
const busDown: Fault = { service: "events", kind: "fail" };

/** Begins faults; the function returned lifts them. */
function begin(...faults: Fault[]): () => void {
	const lifts = faults.map((fault) => stack.fault(fault));
	return () => {
		for (const lift of lifts) lift();
	};
}

/** Does what the AWS CLI does with a command that was told for what is left. */
async function removeAsTold(told = ""): Promise<void> {
	const [, command] = /: aws (\S+ \S+) /.exec(told) ?? [];
	const flags = Object.fromEntries(
		[...told.matchAll(/--(\S+) (?:'(.*?)'|(\S+))/g)].map(([, name, quoted, plain]) => [
			name,
			quoted ?? plain,
		]),
	);
	const there = { ...stack.clientOptions, region: flags.region, endpoint: flags["endpoint-url"] };
	if (command === "cognito-idp admin-delete-user") {
		const { "user-pool-id": UserPoolId, username: Username } = flags;
		const cognito = new CognitoIdentityProviderClient(there);
		await cognito.send(new AdminDeleteUserCommand({ UserPoolId, Username }));
	} else if (command === "dynamodb delete-item") {
		const { "table-name": TableName, key } = flags;
		const dynamodb = new DynamoDBClient(there);
		await dynamodb.send(new DeleteItemCommand({ TableName, Key: JSON.parse(key) }));
	}
}

/** For what is waited for in vain: all that comes takes a tenth of it. */
const soon = ["--timeout", "3"];

/** Resolves at the next call of an operation by whoever is not a function. */
const called = (name: string) =>
	new Promise<void>((resolve) => {
		const stop = stack.onCall(({ operation, caller }) => {
			if (operation !== name || (caller !== undefined && caller !== "local")) return;
			stop();
			resolve();
		});
	});

it("every step holds where there is a trail, and nothing is left", async (t) => {
	const { output, errors, status } = await end(start(placeOf(stack)));
	t.is(errors, "");
	t.is(status, 0);
	t.notRegex(output, /✖|skipped/);
	t.regex(output, /^✔ success\+[0-9a-f-]{36}@simulator\.amazonses\.com signs up\n {2}sub \S+\n/);
	t.regex(output, /✔ users\.findByEmail\("SUCCESS\S+"\) finds the same/);
	t.regex(output, /profile follows.*\n {2}name Countess of Lovelace, by CloudTrail\n/);
	t.regex(output, /profile goes.*\n {2}by CloudTrail\n/);
	t.regex(output, /\n\nIt works: all steps held\. Her account and profile are removed\.\n$/);
});

it("--json is one object, and --help names every permission that is needed", async (t) => {
	const help = await end(start(["--help"]));
	t.is(help.status, 0);
	const calls = new Set<string>();
	const stop = stack.onCall(({ operation, caller }) => caller === "local" && calls.add(operation));
	const { steps, last, errors, ...told } = await verify(stack);
	stop();
	t.deepEqual(told, { held: true, interrupted: false, left: [], status: 0 });
	t.is(errors, "");
	for (const step of steps) {
		t.deepEqual(Object.keys(step), ["name", "outcome", "detail", "milliseconds"]);
		t.is(step.outcome, "held");
	}
	t.true(calls.size > 0);
	for (const operation of calls) t.regex(help.output, new RegExp(`\\b${operation}\\b`));
});

it("without a trail the sign-in brings the change, and the command removes the profile", async (t) => {
	const lift = begin(noTrail);
	const { held, steps, status } = await verify(stack, ...soon);
	lift();
	t.true(held);
	t.is(status, 0);
	const [changed, deleted] = steps.slice(-2);
	t.like(changed, {
		outcome: "held",
		detail: "name Countess of Lovelace, by the sign-in: no trail was seen within 3 s",
	});
	t.like(deleted, {
		outcome: "skipped",
		detail: "no trail was seen: this removed the profile, as reconcile would",
	});
	t.is(steps.filter(({ outcome }) => outcome === "skipped").length, 1);
});

test.serial(
	"npm start shows the same steps, and skips the same with passwordAuth false",
	async (t) => {
		const lines: string[] = [];
		const held = await demonstrate(passwordless, (line) => lines.push(line));
		const shown = lines.join("\n");
		t.true(held, shown);
		t.regex(
			shown,
			/signs in, .*: skipped\n.*the setting passwordAuth, which would let her, is false/,
		);
		const { steps } = await verify(passwordless);
		for (const { name } of steps) {
			if (!/@|an administrator (confirms|deletes)/.test(name.toLowerCase()))
				t.true(shown.includes(name));
		}
	},
);

for (const [what, faults, name, detail] of [
	[
		"no profile comes",
		[noTrail, busDown],
		/^the profile is in the table$/,
		/^there is no such profile, after 3 s$/,
	],
	[
		"the account is not linked",
		[{ service: "cognito-idp", about: "custom:userId", kind: "fail" }],
		/^the account is linked to it$/,
		/^its custom:userId is not written, after 3 s$/,
	],
	[
		"the sign-in is refused",
		[
			{
				service: "cognito-idp",
				operation: "InitiateAuth",
				kind: "fail",
				code: "NotAuthorizedException",
			},
		],
		/^signs in, /,
		/^NotAuthorizedException: /,
	],
	[
		"the sign-up is refused",
		[
			{
				service: "cognito-idp",
				operation: "SignUp",
				kind: "fail",
				code: "InvalidPasswordException",
			},
		],
		/ signs up$/,
		/^InvalidPasswordException: /,
	],
] as const satisfies [string, Fault[], RegExp, RegExp][]) {
	it(`where ${what} it fails there, and leaves nothing`, async (t) => {
		const lift = begin(...faults);
		const { held, last, left, status } = await verify(stack, ...soon);
		lift();
		t.false(held);
		t.is(status, 1);
		t.is(last?.outcome, "failed");
		t.regex(String(last?.name), name);
		t.regex(String(last?.detail), detail);
		t.deepEqual(left, []);
	});
}

it("a deletion that does not reach the profile fails where the change did", async (t) => {
	const lift = beginAt("AdminDeleteUser", noTrail);
	const { last, status } = await verify(stack, ...soon);
	lift();
	t.is(status, 1);
	t.like(last, {
		outcome: "failed",
		detail: "it is still there, though CloudTrail told of the change, after 3 s",
	});
});

it("what cannot be removed is named, with the commands that remove it", async (t) => {
	const refused = { kind: "fail", code: "AccessDeniedException" } as const;
	const lift = beginAt(
		"SignUp",
		{ service: "cognito-idp", operation: "AdminDeleteUser", ...refused },
		{ service: "dynamodb", operation: "DeleteItem", ...refused },
	);
	const { output, errors, status } = await end(start(placeOf(stack)));
	lift();
	t.is(status, 1);
	t.regex(output, /✖ an administrator deletes the account, .*: AccessDeniedException: /);
	t.notRegex(output, /are removed/);
	const [account, profile, ...others] = errors.trim().split("\n");
	t.regex(
		String(account),
		/^Left behind: the account success\S+ \(AccessDeniedException: .*\): aws /,
	);
	t.regex(String(profile), /^Left behind: the profile of \S+ \(StoreUnavailable .*\): aws /);
	t.deepEqual(others, []);
	await removeAsTold(account);
	await removeAsTold(profile);
});

it("where the table fails in the middle, that and what is left in it are told", async (t) => {
	const lift = beginAt("SignUp", tableDown);
	const { last, left, status } = await verify(stack, ...soon);
	lift();
	t.is(status, 1);
	t.regex(String(last?.detail), /^StoreUnavailable \(ResourceInUseException: .*\)$/);
	t.is(left.length, 1);
	await stack.settled();
	await removeAsTold(left[0]);
});

for (const [signal, expected] of [
	["SIGINT", 130],
	["SIGTERM", 143],
	["SIGHUP", 129],
] as const) {
	it(
		`${signal} ends it at once, and leaves nothing`,
		async (t) => {
			const lift = begin(noTrail, busDown);
			const waiting = called("GetItem").then(() => called("GetItem"));
			const child = start([...placeOf(stack), "--json"]);
			const ended = end(child);
			await waiting;
			child.kill(signal);
			const { output, errors, status } = await ended;
			lift();
			t.is(status, expected);
			t.regex(errors, /^Removing what was made; Ctrl-C again ends at once, [^\n]*\n$/);
			const { held, interrupted, left } = JSON.parse(output);
			t.deepEqual({ held, interrupted, left }, { held: false, interrupted: true, left: [] });
		},
		onPosix,
	);
}

it(
	"interrupted while it signs up, it removes the account that is made yet",
	async (t) => {
		const lift = begin({
			service: "cognito-idp",
			operation: "SignUp",
			kind: "delay",
			milliseconds: 60_000,
		});
		const signingUp = called("SignUp");
		const child = start(placeOf(stack));
		const ended = end(child);
		await signingUp;
		child.kill("SIGINT");
		// A deletion that does not wait for the answer deletes nothing.
		await Promise.race([called("AdminDeleteUser"), setTimeout(1_000)]);
		lift();
		const { output, status } = await ended;
		t.is(status, 130);
		t.is(output, "\nIt was interrupted. Her account and profile are removed.\n");
	},
	onPosix,
);

it(
	"a second Ctrl-C ends it at once, whatever it waits for",
	async (t) => {
		const lift = begin({ service: "cognito-idp", operation: "SignUp", kind: "hang" });
		const signingUp = called("SignUp");
		const child = start(placeOf(stack));
		const ended = end(child);
		await signingUp;
		child.kill("SIGINT");
		await once(child.stderr, "data");
		child.kill("SIGINT");
		t.is((await ended).signal, "SIGINT");
		lift();
	},
	onPosix,
);

it("when nobody reads its output any more, it goes on, and leaves nothing", async (t) => {
	const child = start(placeOf(stack));
	const ended = once(child, "close");
	child.stderr.resume();
	await once(child.stdout, "data");
	child.stdout.destroy();
	t.is((await ended)[0], 0);
});

it(
	"--stack reads where from Pulumi",
	async (t) => {
		const bin = await mkdtemp(join(tmpdir(), "pulumi-"));
		t.teardown(() => rm(bin, { recursive: true }));
		const outputs = JSON.stringify(JSON.stringify(stack.outputs));
		await writeFile(join(bin, "pulumi"), `#!${process.execPath}\nconsole.log(${outputs})`, {
			mode: 0o755,
		});
		const flags = ["--stack", "dev", "--endpoint", stack.endpoint];
		const { errors, status } = await end(start(flags, { ...environment(), PATH: bin }));
		t.is(errors, "");
		t.is(status, 0);
	},
	onPosix,
);

test("without a trail, and with passwordAuth false, it says what was skipped, and which setting would show it", async (t) => {
	const before = await contentsOf(passwordless);
	passwordless.fault(noTrail);
	const { output, status } = await end(start([...placeOf(passwordless), ...soon]));
	t.is(status, 0);
	const why = "the setting passwordAuth, which would let her, is false";
	t.regex(output, new RegExp(`- signs in, .*: skipped\\n {2}${why}\\n`));
	const neither = `no trail was seen within 3 s, and ${why}: reconcile would bring it`;
	t.regex(output, new RegExp(`profile follows.*: skipped\\n {2}${neither}\\n`));
	t.regex(output, /\n\nIt works: all steps held, but for 3 skipped\. .*\n$/);
	t.deepEqual(await contentsOf(passwordless), before);
});

for (const [what, flags, sentence] of [
	["no place", [], /^Say where: with --stack <name>, or with --user-pool-id .* --client-id /],
	["an unknown flag", ["--jsn"], /^Unknown option '--jsn'; see --help/],
	["no time", ["--stack", "dev", "--timeout", "0"], /^--timeout takes whole seconds, .* not '0'/],
	["a time that is none", ["--stack", "dev", "--timeout", "1m"], /^--timeout takes whole seconds/],
] as const) {
	test(`${what} is wrong usage, told in a sentence`, async (t) => {
		const { output, errors, status } = await end(start(flags));
		t.is(output, "");
		t.is(status, 2);
		t.regex(errors, sentence);
		t.is(errors.trim().split("\n").length, 1);
	});
}

for (const [what, flag, sentence] of [
	[
		"an app client",
		"--client-id",
		/^There is no app client none of user pool \S+ in us-east-1: check --client-id/,
	],
	["a table", "--table", /^There is no table none in us-east-1: check --table/],
] as const) {
	test(`${what} that is not there is told in a sentence, before anybody signs up`, async (t) => {
		const { output, errors, status } = await end(start([...placeOf(stack), flag, "none"]));
		t.is(output, "");
		t.is(status, 1);
		t.regex(errors, sentence);
		t.is(errors.trim().split("\n").length, 1);
	});
}
