import { RunError } from "@pulumi/pulumi/errors";
import test, { type ExecutionContext } from "ava";
import { testProgram } from "../../testing/testStack";
import { openEndpoint } from "../endpoint";
import { declared, type Program } from "../program";
import { createPermissions } from "./iam";
import { createScheduler } from "./scheduler";
import { createStepFunctions } from "./stepFunctions";

const ownProgram = testProgram();

/** The program with other inputs of one of its resources that are called `reconcile`. */
async function withInputs(type: string, inputs: object): Promise<Program> {
	const program = await ownProgram;
	return {
		...program,
		resources: program.resources.map((each) =>
			each.type === type && each.name === "reconcile"
				? { ...each, inputs: { ...each.inputs, ...inputs } }
				: each,
		),
	};
}

const MACHINE = "aws:sfn/stateMachine:StateMachine";

/** The program with a state machine of one state, and of others that it goes on to. */
async function withState(first: object, others: object = {}, top: object = {}): Promise<Program> {
	const definition = JSON.stringify({
		StartAt: "First",
		States: { First: first, ...others },
		...top,
	});
	return withInputs(MACHINE, { definition });
}

async function open(t: ExecutionContext, program: Program) {
	const endpoint = await openEndpoint(0);
	t.teardown(endpoint.close);
	const { service } = createStepFunctions(program, endpoint);
	endpoint.serve(service);
	const call = (operation: string, body: object) =>
		endpoint.call({ service: "states", operation, body, caller: "local" });
	const [machine] = declared(program, MACHINE);
	return {
		call,
		/** Runs the state machine, and answers how that ended. */
		async run(input: object) {
			const stateMachineArn = machine?.arn;
			const started = await call("StartExecution", {
				stateMachineArn,
				input: JSON.stringify(input),
			});
			await endpoint.settled();
			return call("DescribeExecution", started);
		},
	};
}

const pass = { Type: "Pass", End: true };

for (const [what, program] of Object.entries({
	"another query language": withState(pass, {}, { QueryLanguage: "JSONata" }),
	"the type EXPRESS": withInputs(MACHINE, { type: "EXPRESS" }),
	"a Parallel state": withState({ Type: "Parallel", Branches: [], End: true }),
	"a Map state": withState({ Type: "Map", End: true }),
	"a function that is not declared": withState({
		Type: "Task",
		Resource: "arn:aws:lambda:us-east-1:123456789012:function:other",
		End: true,
	}),
	"a task of another service": withState({
		Type: "Task",
		Resource: "arn:aws:states:::sqs:sendMessage",
		End: true,
	}),
	'the ResultPath "$"': withState({ ...pass, ResultPath: "$" }),
})) {
	test(`a state machine with ${what} stops the start, in a sentence`, async (t) => {
		const error = await t.throwsAsync(open(t, await program));
		t.true(RunError.isInstance(error));
		t.regex(
			error?.message ?? "",
			/state machine reconcile, .* teach local\/aws\/stepFunctions\.ts/,
		);
	});
}

for (const [what, type, inputs] of [
	["The state machine reconcile", MACHINE, { roleArn: "arn:aws:iam::123456789012:role/other" }],
	[
		"The schedule reconcile",
		"aws:scheduler/schedule:Schedule",
		{ target: { arn: "", roleArn: "arn:aws:iam::123456789012:role/other" } },
	],
] as const) {
	test(`${what} needs a role that its service may assume`, async (t) => {
		const program = await withInputs(type, inputs);
		const error = t.throws(() => createPermissions(program), { message: new RegExp(`^${what} `) });
		t.true(RunError.isInstance(error));
	});
}

test("a role that another account's services may assume is not one that ours may", async (t) => {
	const program = await ownProgram;
	const resources = program.resources.map((each) =>
		each.type === "aws:iam/role:Role" && each.name === "reconcile-states"
			? {
					...each,
					inputs: {
						...each.inputs,
						assumeRolePolicy: String(each.inputs.assumeRolePolicy).replace(
							/\d{12}/,
							"210987654321",
						),
					},
				}
			: each,
	);
	t.notThrows(() => createPermissions(program));
	t.throws(() => createPermissions({ ...program, resources }), {
		message: /^The state machine reconcile /,
	});
});

test("an execution ends with the output of its last state, and a wait is short", async (t) => {
	const wait = { Type: "Wait", Seconds: 3_600, Next: "Last" };
	const { run } = await open(t, await withState(wait, { Last: pass }));
	t.like(await run({ a: 1 }), { status: "SUCCEEDED", output: '{"a":1}' });
});

test("an execution that fails tells the error", async (t) => {
	const { run } = await open(t, await withState({ Type: "Fail", Error: "Sorry", Cause: "None." }));
	t.like(await run({}), { status: "FAILED", error: "Sorry", cause: "None." });
});

test("what is not there is refused as on AWS, and so is a name that was taken", async (t) => {
	const { call } = await open(t, await withState(pass));
	const [machine] = declared(await ownProgram, MACHINE);
	const once = { stateMachineArn: machine?.arn, name: "once" };
	await call("StartExecution", once);
	for (const [operation, body, code] of [
		["StartExecution", { stateMachineArn: "other" }, "StateMachineDoesNotExist"],
		["StartExecution", once, "ExecutionAlreadyExists"],
		["DescribeExecution", { executionArn: "other" }, "ExecutionDoesNotExist"],
	] as const) {
		await t.throwsAsync(call(operation, body), { code });
	}
});

test("a schedule that starts no state machine of the program is not run, and says so", async (t) => {
	const endpoint = await openEndpoint(0);
	t.teardown(endpoint.close);
	const { run, notRun } = createScheduler(await ownProgram, endpoint);
	t.deepEqual(notRun, ["aws:scheduler/schedule:Schedule reconcile"]);
	await t.throwsAsync(run("other"), { message: /no schedule other .* local\/aws\/scheduler\.ts/ });
});
