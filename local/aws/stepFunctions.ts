import { randomUUID } from "node:crypto";
import { RunError } from "@pulumi/pulumi/errors";
import type { StateMachine, StateMachineDefinition } from "aws-local-stepfunctions";
import { type Call, type Endpoint, parseJson, ServiceError } from "../endpoint";
import { type Declared, declared, type Program } from "../program";

/** How long it waits where the definition says to wait, be it for a retry. */
const WAIT_MS = 50;
const MOST_EVENTS = 1000;

// What the interpreter uses, and Node.js 20 does not have.
Promise.withResolvers ??= <T>() => {
	let settle: Pick<PromiseWithResolvers<T>, "resolve" | "reject"> | undefined;
	const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
	return Object.assign({ promise }, settle) as PromiseWithResolvers<T>; // the executor above has run by now
};

/** The fields of Step Functions' requests that are read here. */
interface Request {
	stateMachineArn?: string;
	executionArn?: string;
	name?: string;
	input?: string;
	reverseOrder?: boolean;
	maxResults?: number;
}

/** What DescribeExecution answers. */
interface Description {
	readonly executionArn: string;
	readonly stateMachineArn: string;
	readonly name: string;
	readonly startDate: Date;
	readonly input: string;
	status: "RUNNING" | "SUCCEEDED" | "FAILED" | "TIMED_OUT" | "ABORTED";
	stopDate?: Date;
	output?: string;
	error?: string;
	cause?: string;
}

interface Execution {
	readonly description: Description;
	/** As GetExecutionHistory answers them. */
	readonly events: object[];
}

/**
 * Step Functions with the declared state machines, which may call declared functions: an interpreter of the Amazon States Language,
 * under the role of each machine. It waits nowhere for longer than a moment.
 *
 * @returns the service, and `close`, which aborts what runs.
 * Throws `pulumi.RunError` for a state machine that cannot be run here.
 */
export function createStepFunctions(program: Program, endpoint: Endpoint) {
	const machines = new Map(
		declared(program, "aws:sfn/stateMachine:StateMachine").map((machine) => [
			machine.arn,
			open(program, machine, endpoint),
		]),
	);
	const executions = new Map<string, Execution>();
	const aborts = new Set<() => void>();

	async function start({ stateMachineArn = "", name = randomUUID(), input = "{}" }: Request) {
		const run = machines.get(stateMachineArn);
		if (!run) {
			const message = `State Machine Does Not Exist: '${stateMachineArn}'`;
			throw new ServiceError("StateMachineDoesNotExist", message);
		}
		const executionArn = `${stateMachineArn.replace(":stateMachine:", ":execution:")}:${name}`;
		if (executions.has(executionArn)) {
			throw new ServiceError("ExecutionAlreadyExists", `Execution Already Exists: '${name}'`);
		}
		const given = parseJson(input);
		const startDate = new Date();
		const description: Description = {
			executionArn,
			stateMachineArn,
			name,
			startDate,
			input,
			status: "RUNNING",
		};
		const execution: Execution = { description, events: [] };
		executions.set(executionArn, execution);
		const { abort, result, eventLogs } = await run(given);
		aborts.add(abort);
		endpoint.inBackground(async () => {
			const kept = keepEvents(eventLogs, execution);
			const ended = await result.then(
				(output) => ({ status: "SUCCEEDED" as const, output: JSON.stringify(output) }),
				failureOf,
			);
			await kept;
			Object.assign(description, ended, { stopDate: new Date() });
			aborts.delete(abort);
		});
		return { executionArn, startDate };
	}

	return {
		async service({ operation, body }: Call): Promise<object> {
			const request: Request = body;
			if (operation === "StartExecution") return start(request);
			if (operation === "ListExecutions") {
				const of = [...executions.values()].map(({ description }) => description).reverse();
				return {
					executions: of.filter(
						({ stateMachineArn }) => stateMachineArn === request.stateMachineArn,
					),
				};
			}
			const execution = executions.get(request.executionArn ?? "");
			if (!execution) {
				const message = `Execution Does Not Exist: '${request.executionArn}'`;
				throw new ServiceError("ExecutionDoesNotExist", message);
			}
			switch (operation) {
				case "DescribeExecution":
					return execution.description;
				case "GetExecutionHistory": {
					const { reverseOrder = false, maxResults = MOST_EVENTS } = request;
					const events = reverseOrder ? execution.events.toReversed() : execution.events;
					return { events: events.slice(0, maxResults) };
				}
				default:
					throw new ServiceError("UnknownOperationException", `There is no ${operation} here.`);
			}
		},

		async close(): Promise<void> {
			for (const abort of aborts) abort();
		},
	};
}

type Interpreter = StateMachine["run"];
type Run = ReturnType<Interpreter>;

/** Makes what runs a declared state machine on an input. */
function open(
	program: Program,
	{ name, inputs }: Declared<"aws:sfn/stateMachine:StateMachine">,
	endpoint: Endpoint,
): (input: Parameters<Interpreter>[0]) => Promise<Run> {
	const refuse = (what: string) =>
		new RunError(
			`The embedded stack cannot run the state machine ${name}, as it does not understand ${what}: write it otherwise, or teach local/aws/stepFunctions.ts to.`,
		);
	const definition: StateMachineDefinition = JSON.parse(inputs.definition);
	if ("QueryLanguage" in definition) throw refuse("QueryLanguage");
	if (inputs.type !== undefined && inputs.type !== "STANDARD")
		throw refuse(`the type ${inputs.type}`);
	const functions = declared(program, "aws:lambda/function:Function").map(({ arn }) => arn);
	const call = { service: "lambda", operation: "Invoke", caller: `states/${name}` } as const;
	const tasks: Record<string, (input: unknown) => Promise<never>> = {};
	const waits: Record<string, number> = {};
	for (const [state, { Type, ...fields }] of Object.entries(definition.States)) {
		const { Resource, ResultPath } = Object(fields);
		// The interpreter takes it for a name, and it is the default.
		if (ResultPath === "$") throw refuse(`the ResultPath "$" of ${state}`);
		waits[state] = WAIT_MS;
		switch (Type) {
			case "Task":
				if (!functions.includes(Resource)) throw refuse(`the Resource of ${state}, ${Resource}`);
				tasks[state] = async (input) => {
					const body = { FunctionName: Resource, Payload: JSON.stringify(input) };
					return readAnswer(await endpoint.call({ ...call, body }).catch(toLambdaError));
				};
				break;
			case "Map":
			case "Parallel":
				throw refuse(`the ${Type} of ${state}`);
		}
	}
	return async (input) => {
		// Loaded when it is first needed: that takes longer than the rest of a start, and most stacks run none.
		const { StateMachine } = await import("aws-local-stepfunctions");
		// It is valid, or the program could not have been evaluated.
		return new StateMachine(definition, { validationOptions: { noValidate: true } }).run(input, {
			overrides: {
				taskResourceLocalHandlers: tasks,
				waitTimeOverrides: waits,
				retryIntervalOverrides: waits,
			},
		});
	};
}

/** What a function answered; what it has thrown is an error of the name that it has on AWS. */
function readAnswer(answer: object): never {
	const { FunctionError, Payload } = Object(answer);
	const payload = JSON.parse(Payload);
	if (FunctionError === undefined) return payload as never; // whatever JSON it is, the interpreter takes it
	const { errorType = "Error", errorMessage } = Object(payload);
	throw Object.assign(new Error(errorMessage), { name: errorType });
}

function toLambdaError(error: unknown): never {
	if (!(error instanceof ServiceError)) throw error;
	throw Object.assign(new Error(error.message), { name: `Lambda.${error.code}` });
}

/** How an execution that has not succeeded ended. */
function failureOf(error: Error): Pick<Description, "status" | "error" | "cause"> {
	if (error.name === "ExecutionAbortedError") return { status: "ABORTED" };
	if (error.name === "ExecutionTimeoutError") return { status: "TIMED_OUT" };
	const { name = "States.Runtime", message } = Object(error.cause);
	return { status: "FAILED", error: name, cause: message };
}

/** Keeps what happens in an execution as GetExecutionHistory tells it: the states, and the functions that have failed. */
async function keepEvents(logs: Run["eventLogs"], { events }: Execution): Promise<void> {
	for await (const log of logs) {
		const keep = (type: string, details: object) =>
			events.push({
				id: events.length + 1,
				previousEventId: events.length,
				timestamp: new Date(log.timestamp),
				type,
				...details,
			});
		switch (log.type) {
			case "StateEntered": {
				const { name, type, input } = log.state;
				const stateEnteredEventDetails = { name, input: JSON.stringify(input) };
				keep(`${type}StateEntered`, { stateEnteredEventDetails });
				break;
			}
			case "StateExited": {
				const { name, type, output } = log.state;
				const stateExitedEventDetails = { name, output: JSON.stringify(output) };
				keep(`${type}StateExited`, { stateExitedEventDetails });
				break;
			}
			case "StateFailed":
				if (log.state.type !== "Task") break;
				keep("LambdaFunctionFailed", { lambdaFunctionFailedEventDetails: { error: log.Error } });
		}
	}
}
