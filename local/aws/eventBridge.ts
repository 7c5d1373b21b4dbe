import { randomUUID } from "node:crypto";
import type { PutEventsRequestEntry } from "@aws-sdk/client-eventbridge";
import { RunError } from "@pulumi/pulumi/errors";
import { type Call, type Endpoint, ServiceError } from "../endpoint";
import { ACCOUNT, type Declared, declared, type Program } from "../program";
import { compilePattern } from "./eventPattern";
import { queueUrl } from "./sqs";

const EVENTS_KEPT = 1000;
/** What the entries of one call may have together: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html */
const LARGEST_CALL = 1024 * 1024;
/** AWS tries again for a day, with growing pauses. */
const RETRY_MS = 10;

/** An event as EventBridge delivers it. */
export interface BusEvent {
	version: "0";
	id: string;
	"detail-type": string;
	source: string;
	account: string;
	time: string;
	region: string;
	resources: string[];
	detail: unknown;
}

type Target = ReturnType<typeof connect>;

/** The bus that every account has; AWS's own services put their events there. */
const DEFAULT_BUS = "default";

/**
 * EventBridge with the declared buses and the account's own, and of their rules' targets those that are declared functions or queues.
 *
 * @returns the service; `trail`, which puts a record of CloudTrail on the account's bus; `events`, the last thousand events that the
 * declared buses took; and `targetsNotRun`, the others.
 * Throws `pulumi.RunError` if a rule or a target asks for what is not run here.
 */
export function createEventBus(program: Program, endpoint: Endpoint) {
	const buses = declared(program, "aws:cloudwatch/eventBus:EventBus").map(
		(bus) => bus.physicalName,
	);
	const functions = declared(program, "aws:lambda/function:Function").map(({ arn }) => arn);
	const queues = declared(program, "aws:sqs/queue:Queue").map(({ arn }) => arn);
	const targets: Target[] = [];
	const targetsNotRun: string[] = [];
	for (const target of declared(program, "aws:cloudwatch/eventTarget:EventTarget")) {
		const bus = nameOf(target.inputs.eventBusName);
		const rule = declared(program, "aws:cloudwatch/eventRule:EventRule").find(
			({ physicalName, inputs }) =>
				physicalName === target.inputs.rule && nameOf(inputs.eventBusName) === bus,
		);
		const runs =
			[DEFAULT_BUS, ...buses].includes(bus) &&
			[...functions, ...queues].includes(target.inputs.arn);
		if (rule?.inputs.eventPattern && runs) targets.push(connect(program, bus, rule, target));
		else targetsNotRun.push(`${target.type} ${target.name}`);
	}
	const events: BusEvent[] = [];

	async function deliver(target: Target, event: BusEvent): Promise<void> {
		const text = JSON.stringify(event);
		const from = { caller: "events", sourceArn: target.ruleArn };
		const send = (QueueUrl: string) => {
			const body = { QueueUrl, MessageBody: text };
			return endpoint.call({ service: "sqs", operation: "SendMessage", body, ...from });
		};
		const invoke = () => {
			const body = { FunctionName: target.arn, InvocationType: "Event", Payload: text };
			return endpoint.call({ service: "lambda", operation: "Invoke", body, ...from });
		};
		const { queue, deadLetters } = target;
		for (let attempt = 0; attempt <= target.retries; attempt++) {
			try {
				await (queue === undefined ? invoke() : send(queue));
				return;
			} catch (error) {
				if (!(error instanceof ServiceError)) throw error;
				// What a client has done wrong, such as a missing permission, is not tried again.
				const mayHold = error.status >= 500 || /Throttling|TooManyRequests/.test(error.code);
				if (!mayHold) break;
				await endpoint.pause(RETRY_MS);
			}
		}
		// AWS, too, drops what the queue does not take.
		if (deadLetters !== undefined) await send(deadLetters).catch(() => undefined);
	}

	function publish(bus: string, source: string, detailType: string, detail: unknown): string {
		const event: BusEvent = {
			version: "0",
			id: randomUUID(),
			"detail-type": detailType,
			source,
			account: ACCOUNT,
			time: new Date().toISOString().replace(/\.\d+/, ""),
			region: program.region,
			resources: [],
			detail,
		};
		if (buses.includes(bus)) {
			events.push(event);
			events.splice(0, events.length - EVENTS_KEPT);
		}
		for (const target of targets) {
			if (target.bus !== bus || !target.matches(event)) continue;
			endpoint.inBackground(() => deliver(target, event));
		}
		return event.id;
	}

	function put(entry: PutEventsRequestEntry) {
		const problem = problemWith(entry);
		if (problem) return problem;
		const { Source = "", DetailType = "", Detail = "" } = entry;
		// AWS, too, answers success for a bus that does not exist, and drops the event.
		return { EventId: publish(nameOf(entry.EventBusName), Source, DetailType, JSON.parse(Detail)) };
	}

	return {
		events: (): readonly BusEvent[] => events,
		targetsNotRun,

		trail(detail: object): void {
			publish(DEFAULT_BUS, "aws.cognito-idp", "AWS API Call via CloudTrail", detail);
		},

		async service({ operation, body }: Call): Promise<object> {
			const { Entries: entries = [] }: { Entries?: PutEventsRequestEntry[] } = body;
			if (operation !== "PutEvents" || entries.length < 1 || entries.length > 10) {
				const message = "There is nothing but PutEvents here, with 1 to 10 entries.";
				throw new ServiceError("ValidationException", message);
			}
			if (entries.reduce((sum, entry) => sum + sizeOf(entry), 0) >= LARGEST_CALL) {
				const message = "Total size of the entries in the request is over the limit.";
				throw new ServiceError("ValidationException", message);
			}
			const Entries = entries.map(put);
			const FailedEntryCount = Entries.filter((entry) => "ErrorCode" in entry).length;
			return { FailedEntryCount, Entries };
		},
	};
}

/** A bus may be named by its name or its ARN. */
function nameOf(bus = DEFAULT_BUS): string {
	return bus.replace(/^.*event-bus\//, "");
}

const sizeOf = ({ Source = "", DetailType = "", Detail = "" }: PutEventsRequestEntry): number =>
	Buffer.byteLength(Source + DetailType + Detail);

function problemWith({ Source, DetailType, Detail }: PutEventsRequestEntry) {
	if (!Source || !DetailType || !Detail) {
		const message = "Source, DetailType and Detail are required arguments.";
		return { ErrorCode: "InvalidArgument", ErrorMessage: message };
	}
	if (Source.startsWith("aws.")) {
		const message = `Not authorized to put events for source ${Source}.`;
		return { ErrorCode: "NotAuthorizedForSource", ErrorMessage: message };
	}
	try {
		if (JSON.parse(Detail) instanceof Object) return undefined;
	} catch {}
	return { ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed." };
}

function connect(
	program: Program,
	bus: string,
	rule: Declared<"aws:cloudwatch/eventRule:EventRule">,
	{ name, inputs }: Declared<"aws:cloudwatch/eventTarget:EventTarget">,
) {
	if (inputs.input ?? inputs.inputPath ?? inputs.inputTransformer) {
		throw new RunError(
			`The event target ${name} changes the event, which the embedded stack cannot: let the target take it as it is, or teach local/aws/eventBridge.ts to.`,
		);
	}
	const { eventPattern = "{}", state } = rule.inputs;
	const queue = declared(program, "aws:sqs/queue:Queue").find(({ arn }) => arn === inputs.arn);
	const deadLetters = inputs.deadLetterConfig?.arn;
	return {
		bus,
		ruleArn: rule.arn,
		matches:
			state === "DISABLED" ? () => false : compilePattern(eventPattern, `the rule ${rule.name}`),
		arn: inputs.arn,
		/** The URL of the queue that it is, if it is one. */
		queue: queue?.id,
		retries: inputs.retryPolicy?.maximumRetryAttempts ?? 185,
		deadLetters: deadLetters === undefined ? undefined : queueUrl(program, deadLetters),
	};
}
