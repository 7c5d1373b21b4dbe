import { randomUUID } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
	DescribeExecutionCommand,
	type DescribeExecutionCommandOutput,
	GetExecutionHistoryCommand,
	ListExecutionsCommand,
	SFNClient,
	StartExecutionCommand,
} from "@aws-sdk/client-sfn";
import test, { type ExecutionContext } from "ava";
import { createUsers, openTable, parseAccount } from "../domain";
import { declared, type Program } from "../local/program";
import { type Stack, startStack } from "../local/stack";
import { comparePoolAndTable } from "../testing/comparePoolAndTable";
import { People } from "../testing/people";
import { withoutStream, withoutTrail } from "../testing/programs";
import { testProgram } from "../testing/testStack";
import type { Run } from "./reconcile";

// Reconcile on AWS: the declared state machine, schedule and function, under their roles.

/** Nobody but reconcile is told of the accounts that an administrator makes. */
const ownProgram = testProgram().then(withoutTrail).then(withoutStream);

/** A program in which the function has so many seconds. */
const withTimeout = (program: Program, timeout: number): Program => ({
	...program,
	resources: program.resources.map((each) =>
		each.type === "aws:lambda/function:Function" && each.name === "reconcile"
			? { ...each, inputs: { ...each.inputs, timeout } }
			: each,
	),
});

/** With this many seconds the function has time for one page: what it leaves for a page is as much. */
const onePage = 60;

async function open(t: ExecutionContext, program: Program) {
	const stack = await startStack({ program });
	t.teardown(stack.close);
	return using(stack);
}

function using(stack: Stack) {
	const people = new People(stack);
	const users = createUsers(
		openTable({
			tableName: String(stack.outputs.tableName),
			client: new DynamoDBClient(stack.clientOptions),
		}),
	);
	return {
		stack,
		people,
		users,
		states: new SFNClient(stack.clientOptions),
		/** Confirmed accounts that no trigger has seen; answers their subs. */
		admit: (count: number) =>
			Promise.all(Array.from({ length: count }, () => people.admit(`${randomUUID()}@example.com`))),
		/** An account that has its profile and is linked to it; answers the sub. */
		async record(email = `${randomUUID()}@example.com`): Promise<string> {
			const sub = await people.admit(email);
			const { identity } = parseAccount(sub, await people.attributes(sub))._unsafeUnwrap();
			const { userId } = (await users.register(identity))._unsafeUnwrap();
			await people.change(sub, { "custom:userId": userId });
			return sub;
		},
	};
}

type Scene = ReturnType<typeof using>;

async function start({ stack, states }: Scene, run: object): Promise<string> {
	const { executionArn } = await states.send(
		new StartExecutionCommand({
			stateMachineArn: stack.outputs.reconcileStateMachineArn,
			input: JSON.stringify(run),
		}),
	);
	return String(executionArn);
}

/** How an execution ended, once it has. */
async function end({ stack, states }: Scene, executionArn: string) {
	await stack.settled();
	return toEnd(await states.send(new DescribeExecutionCommand({ executionArn })));
}

function toEnd({ status, output }: Pick<DescribeExecutionCommandOutput, "status" | "output">) {
	const run: Partial<Run> = JSON.parse(output ?? "{}");
	return { status, ...run };
}

/** The details of those events of an execution that have a type. */
async function history({ states }: Scene, executionArn: string) {
	const { events = [] } = await states.send(new GetExecutionHistoryCommand({ executionArn }));
	return {
		failures: events.flatMap((event) => event.lambdaFunctionFailedEventDetails?.error ?? []),
		answers: events
			.filter(({ type }) => type === "TaskStateExited")
			.map((event): Run => JSON.parse(event.stateExitedEventDetails?.output ?? "{}")),
	};
}

const logged = ({ stack }: Scene, level: string): Record<string, unknown>[] =>
	stack
		.logs("reconcile")
		.filter((line) => line.startsWith("{"))
		.map((line) => JSON.parse(line))
		.filter((line) => line.level === level)
		.map(({ message }) => message);

test("a function that has time for two pages only goes on until every account has its profile", async (t) => {
	// Each page takes over a second: the second one ends when less is left than the function keeps for a page.
	const scene = await open(t, withTimeout(await ownProgram, onePage + 2));
	await scene.admit(200);
	scene.stack.fault({
		service: "cognito-idp",
		operation: "ListUsers",
		caller: "reconcile",
		kind: "delay",
		milliseconds: 1_200,
	});
	const execution = await start(scene, { options: {} });
	t.like(await end(scene, execution), {
		status: "SUCCEEDED",
		listed: 200,
		failed: 0,
		next: undefined,
	});
	const { answers, failures } = await history(scene, execution);
	t.deepEqual(failures, []);
	t.true(answers.length > 1);
	const listed = [0, ...answers.map((run) => run.listed ?? 0)];
	for (const [index, { next }] of answers.entries()) {
		const pages = Math.ceil(((listed[index + 1] ?? 0) - (listed[index] ?? 0)) / 60);
		t.true(pages === 1 || pages === 2, `${pages} pages`);
		t.is(next === undefined, index === answers.length - 1);
	}
	t.deepEqual(await comparePoolAndTable(scene.stack), { recorded: 200, resting: [], wrong: [] });
	const told = logged(scene, "INFO").filter(({ by }) => by === "reconcile");
	// On a busy machine, a write whose answer is late may be found done when it is tried again.
	t.true(new Set(told.map(({ sub }) => sub)).size > 190);
	t.true(told.every(({ outcome }) => outcome === "created" || outcome === "linked"));
});

test("a function that is killed between two pages is called again, and everybody is counted once", async (t) => {
	const scene = await open(t, withTimeout(await ownProgram, onePage));
	const { stack } = scene;
	await scene.admit(150);
	let asked = 0;
	stack.onCall(({ operation, body }) => {
		if (operation !== "ListUsers" || Object(body).PaginationToken !== "60") return;
		// First it is read ahead, while the first page is worked on; then by the second invocation.
		if (++asked === 2) stack.kill("reconcile");
	});
	const execution = await start(scene, { options: {} });
	t.like(await end(scene, execution), { status: "SUCCEEDED", listed: 150, failed: 0 });
	const { answers, failures } = await history(scene, execution);
	t.deepEqual(failures, ["Runtime.ExitError"]);
	t.is(answers.length, 3);
	t.deepEqual(await comparePoolAndTable(stack), { recorded: 150, resting: [], wrong: [] });
});

test("when Cognito no longer takes the token, all begins again", async (t) => {
	const scene = await open(t, withTimeout(await ownProgram, onePage));
	const { stack } = scene;
	await scene.admit(70);
	let invocations = 0;
	stack.onCall(({ service, operation, caller }) => {
		if (service !== "lambda" || operation !== "Invoke" || caller !== "states/reconcile") return;
		if (++invocations !== 2) return;
		stack.fault({
			service: "cognito-idp",
			operation: "ListUsers",
			kind: "fail",
			code: "InvalidParameterException",
			times: 1,
		});
	});
	const execution = await start(scene, { options: { prune: true } });
	t.like(await end(scene, execution), {
		status: "SUCCEEDED",
		options: { prune: true },
		listed: 70,
		// The first page was done the first time.
		created: 10,
		unchanged: 60,
		failed: 0,
	});
	t.deepEqual((await history(scene, execution)).failures, ["PageExpired"]);
	t.deepEqual(await comparePoolAndTable(stack), { recorded: 70, resting: [], wrong: [] });
});

test("a pool that cannot be listed for a while is tried again, and told in the log", async (t) => {
	const scene = await open(t, await ownProgram);
	await scene.admit(1);
	scene.stack.fault({
		service: "cognito-idp",
		operation: "ListUsers",
		caller: "reconcile",
		kind: "fail",
		code: "NotAuthorizedException",
		times: 2,
	});
	const execution = await start(scene, { options: {} });
	t.like(await end(scene, execution), { status: "SUCCEEDED", failed: 0, stoppedBy: undefined });
	t.deepEqual(await comparePoolAndTable(scene.stack), { recorded: 1, resting: [], wrong: [] });
	const type = "UserPoolUnavailable";
	const { failures } = await history(scene, execution);
	t.is(failures.filter((failure) => failure === type).length, 2);
	const errors = logged(scene, "ERROR").filter(({ reason }) => reason === "NotAuthorizedException");
	t.like(errors, Array(2).fill({ type, by: "reconcile" }));
});

test("two executions at once leave what one would", async (t) => {
	const scene = await open(t, withTimeout(await ownProgram, onePage));
	await scene.admit(100);
	const gone = await scene.record();
	await scene.people.delete(gone);
	const run = { options: { prune: true } };
	const executions = await Promise.all([start(scene, run), start(scene, run)]);
	for (const execution of executions) {
		t.like(await end(scene, execution), { status: "SUCCEEDED", listed: 100, failed: 0 });
	}
	t.deepEqual(await comparePoolAndTable(scene.stack), { recorded: 100, resting: [], wrong: [] });
});

test("a pool that lists nobody keeps all profiles, and an account that fails is named: both are errors in the log", async (t) => {
	const scene = await open(t, await ownProgram);
	const { people, users } = scene;
	const gone = await scene.record();
	await people.delete(gone);
	const refused = await end(scene, await start(scene, { options: { prune: true } }));
	t.like(refused, { removed: 0, prune: { refused: "PoolListsNobody" } });
	t.true((await users.findBySub(gone)).isOk());

	const invalid = await scene.record();
	await people.change(invalid, { email: "Ada Lovelace" });
	t.like(await end(scene, await start(scene, { options: { prune: true } })), {
		failed: 1,
		removed: 1,
	});
	t.true((await users.findBySub(gone)).isErr());
	const by = "reconcile";
	t.deepEqual(
		logged(scene, "ERROR").filter((message) => message.by === by),
		[
			{ type: "PoolListsNobody", profiles: 0, gone: 0, by },
			{ sub: invalid, type: "InvalidIdentity", reason: "email is malformed", by },
		],
	);
	t.false(/@|Lovelace/.test(scene.stack.logs("reconcile").join()));
});

for (const reconcilePrune of [true, false]) {
	test(`the schedule starts it, and it ${reconcilePrune ? "prunes" : "does not prune where that is turned off"}`, async (t) => {
		const scene = await open(t, withoutTrail(await testProgram({ reconcilePrune })));
		const { stack, people, states, users } = scene;
		const [sub = ""] = await scene.admit(1);
		const gone = await scene.record();
		await people.delete(gone);
		await stack.runSchedule("reconcile");
		await stack.settled();
		t.true((await users.findBySub(sub)).isOk());
		t.is((await users.findBySub(gone)).isErr(), reconcilePrune);
		const { executions = [] } = await states.send(
			new ListExecutionsCommand({ stateMachineArn: stack.outputs.reconcileStateMachineArn }),
		);
		t.deepEqual(
			executions.map(({ status }) => status),
			["SUCCEEDED"],
		);
	});
}

test("without reconcileSchedule nothing starts it by itself, and somebody may", async (t) => {
	const program = withoutTrail(await testProgram({ reconcileSchedule: "" }));
	t.deepEqual(declared(program, "aws:scheduler/schedule:Schedule"), []);
	t.deepEqual(
		declared(program, "aws:iam/role:Role").filter(({ name }) => name === "reconcile-scheduler"),
		[],
	);
	const scene = await open(t, program);
	await scene.admit(1);
	t.like(await end(scene, await start(scene, {})), { status: "SUCCEEDED", listed: 1, failed: 0 });
	t.deepEqual(await comparePoolAndTable(scene.stack), { recorded: 1, resting: [], wrong: [] });
});

/** Whether the schedule leads to all that reconcile is there for, and to a log of it. */
async function works(program: Program): Promise<boolean> {
	const stack = await startStack({ program });
	try {
		const scene = using(stack);
		const { people, users } = scene;
		await scene.admit(1);
		const [changed, lost, gone] = [
			await scene.record(),
			await scene.record(),
			await scene.record(),
		];
		await people.change(changed, { name: "Ada" });
		const { "custom:userId": userId } = await people.attributes(lost);
		await users.remove(lost);
		await people.delete(gone);
		await stack.runSchedule("reconcile");
		await stack.settled();
		const { recorded, wrong } = await comparePoolAndTable(stack);
		const isBack = (await users.findBySub(lost)).map((user) => user.userId === userId);
		return (
			recorded === 3 &&
			wrong.length === 0 &&
			isBack.unwrapOr(false) &&
			logged(scene, "INFO").length > 0
		);
	} catch {
		return false;
	} finally {
		await stack.close();
	}
}

test("of the permissions of the function, the state machine and the schedule, none is missing and none is spare", async (t) => {
	t.timeout(120_000); // for each of them
	const program = await ownProgram;
	t.true(await works(program));
	const isOurs = ({ type, name }: { type: string; name: string }) =>
		type === "aws:iam/rolePolicy:RolePolicy" && name.startsWith("reconcile-");
	const spare: string[] = [];
	for (const policy of program.resources.filter(isOurs)) {
		const { Statement, ...rest } = JSON.parse(String(policy.inputs.policy));
		for (const statement of Statement) {
			for (const action of statement.Action) {
				const Action = statement.Action.filter((each: string) => each !== action);
				const others = Statement.filter((each: object) => each !== statement);
				const Statements = Action.length > 0 ? [...others, { ...statement, Action }] : others;
				const inputs = {
					...policy.inputs,
					policy: JSON.stringify({ ...rest, Statement: Statements }),
				};
				const resources = program.resources.map((each) =>
					each === policy ? { ...each, inputs } : each,
				);
				if (await works({ ...program, resources })) spare.push(`${policy.name} ${action}`);
			}
		}
	}
	t.deepEqual(spare, []);
});
