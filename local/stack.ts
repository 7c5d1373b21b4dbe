import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCognito } from "./aws/cognito";
import type { Mail } from "./aws/cognitoMails";
import { startDynamodb } from "./aws/dynamodb";
import { createEventBus } from "./aws/eventBridge";
import { startEventSourceMappings } from "./aws/eventSourceMapping";
import { createPermissions } from "./aws/iam";
import { startLambda } from "./aws/lambda";
import { createLogs } from "./aws/logs";
import { createScheduler } from "./aws/scheduler";
import { createSqs } from "./aws/sqs";
import { createStepFunctions } from "./aws/stepFunctions";
import { openEndpoint } from "./endpoint";
import type { EvaluateOptions, evaluate } from "./evaluate";
import { createFaults } from "./faults";
import { findNodejs, type Nodejs } from "./nodejs";
import { type Program, typesNotRun } from "./program";

export interface StackOptions extends Omit<EvaluateOptions, "endpoint"> {
	/** The port of the endpoint; a free one unless given. */
	port?: number;
	/** A program that was evaluated before; its queue URLs name another endpoint then, and are known by their path. */
	program?: Program;
	/** The Node.js for the functions of a runtime, such as `nodejs24.x`; one that is there, unless given. */
	nodejsFor?: (runtime: string) => Nodejs | undefined | Promise<Nodejs | undefined>;
}

/** Loads Pulumi, which takes longest of all, only where a program is evaluated here. */
const evaluateHere: typeof evaluate = (options) => require("./evaluate").evaluate(options);

/** The program, running on this machine. */
export type Stack = Awaited<ReturnType<typeof startStack>>;

/**
 * Runs the Pulumi program on this machine, with all of AWS at one endpoint.
 *
 * Rejects with `pulumi.RunError` if a setting is wrong, the port is in use, or the program declares
 * something that cannot be run here and must not be left out.
 */
export async function startStack({
	port = 0,
	nodejsFor = findNodejs,
	...options
}: StackOptions = {}) {
	const endpoint = await openEndpoint(port);
	const directory = await mkdtemp(join(tmpdir(), "cognito-user-profiles-"));
	const started: { close(): Promise<void> }[] = [endpoint];

	/** Ends everything that the stack has started, and removes its files. */
	async function close(): Promise<void> {
		await Promise.all(started.map((each) => each.close()));
		// Windows lets go of the directory of a process a moment after its end.
		await rm(directory, { recursive: true, force: true, maxRetries: 10 });
	}

	try {
		const program = options.program ?? (await evaluateHere({ ...options, endpoint: endpoint.url }));
		let authorize = createPermissions(program);
		const faults = createFaults(endpoint.pause);
		const logs = createLogs(program);
		const lambda = await startLambda(program, endpoint, directory, nodejsFor);
		started.push(lambda);
		const bus = createEventBus(program, endpoint);
		const cognito = await startCognito(program, endpoint, bus.trail);
		const dynamodb = await startDynamodb(program);
		const sqs = createSqs(program);
		const mappingsNotRun = startEventSourceMappings(program, endpoint, sqs, dynamodb);
		const stepFunctions = createStepFunctions(program, endpoint);
		started.push(stepFunctions);
		const scheduler = createScheduler(program, endpoint);
		const services = {
			"cognito-idp": cognito.service,
			dynamodb: dynamodb.service,
			dynamodbstreams: dynamodb.streams,
			events: bus.service,
			lambda: lambda.service,
			logs: logs.service,
			sqs: sqs.service,
			states: stepFunctions.service,
		};
		endpoint.serve(async (call) => {
			authorize(call);
			return faults.around(call, () => services[call.service](call));
		});
		const outputs: Record<string, string> = {};
		for (const [name, value] of Object.entries(program.outputs)) {
			const text = (typeof value === "string" ? value : JSON.stringify(value))
				// The issuer of a pool: its tokens come from here.
				?.replace(`https://cognito-idp.${program.region}.amazonaws.com/`, `${endpoint.url}/`);
			// What is made of something that is not run here is undefined, or a text made with that.
			if (!/\bundefined\b/.test(text ?? "undefined")) outputs[name] = text;
		}
		return {
			endpoint: endpoint.url,
			/** What a client of any AWS SDK takes to reach it. */
			clientOptions: {
				endpoint: endpoint.url,
				region: program.region,
				credentials: { accessKeyId: "local", secretAccessKey: "local" },
			},
			program,
			outputs,
			/** What is declared and left out here: types of resources, targets and mappings, and outputs, which only AWS can give. */
			notRun: {
				resources: [
					...typesNotRun(program),
					...bus.targetsNotRun,
					...mappingsNotRun,
					...scheduler.notRun,
				],
				outputs: Object.keys(program.outputs).filter((name) => !(name in outputs)),
			},
			/** The Node.js that runs the functions of each runtime here. */
			nodejs: lambda.nodejs,
			/** The last events that the declared buses took, oldest first. */
			events: bus.events,
			/** Puts a record of CloudTrail on the account's own bus, as after a call of Cognito. */
			trail: bus.trail,
			/** The last lines that a function wrote, by its logical name. */
			logs: (name: string) => logs.lines(lambda.logGroupOf(name)),
			/** The last mails that Cognito would have sent, newest last. */
			mails: () => cognito.mails.last(),
			/** Tells of every mail as it is sent; the function returned ends that. */
			onMail: (listener: (mail: Mail) => void) => cognito.mails.onMail(listener),
			/** The last code or temporary password that was sent to an email address. */
			codeFor: (email: string) => cognito.mails.codeFor(email),
			/** Makes an account of an identity provider, such as `Google_1234`, without a trigger; answers its sub. */
			federate: cognito.federate,
			onCall: endpoint.onCall,
			letTake: endpoint.letTake,
			/** Begins a fault; the function returned lifts it. */
			fault: faults.begin,
			/** Goes by the policies of another version of the program from here on, as after an update that changes nothing else. */
			replacePolicies(changed: Program): void {
				authorize = createPermissions(changed);
			},
			/** Kills every process of a function, by its logical name, as when the machine below it fails. */
			kill: lambda.kill,
			/** Does what a schedule does when its time has come, by its logical name. */
			runSchedule: scheduler.run,
			/**
			 * Resolves once every event is delivered, every asynchronous invocation has ended, and no message or record is left of
			 * what an event source mapping consumes.
			 */
			settled: endpoint.settled,
			close,
		};
	} catch (error) {
		await close();
		throw error;
	}
}
