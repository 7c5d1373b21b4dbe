import { randomUUID } from "node:crypto";
import type { PutEventsRequestEntry } from "@aws-sdk/client-eventbridge";
import * as pulumi from "@pulumi/pulumi";
import { type Call, type Endpoint, ServiceError } from "../endpoint";
import { ACCOUNT, type Declared, declared, type Program } from "../program";
import { queueUrl } from "./sqs";

const EVENTS_KEPT = 1000;
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

/**
 * EventBridge with the declared buses, rules and targets.
 *
 * @returns the service, and `events`, the last thousand events that the declared buses took.
 * Throws `pulumi.RunError` if a rule or a target asks for what is not run here.
 */
export function createEventBus(program: Program, endpoint: Endpoint) {
	const buses = declared(program, "aws:cloudwatch/eventBus:EventBus").map(
		(bus) => bus.physicalName,
	);
	const targets = declared(program, "aws:cloudwatch/eventTarget:EventTarget").map((target) =>
		connect(program, target),
	);
	const events: BusEvent[] = [];

	async function deliver(target: Target, event: BusEvent): Promise<void> {
		const Payload = JSON.stringify(event);
		const invoke = { FunctionName: target.arn, InvocationType: "Event", Payload };
		for (let retries = 0; ; retries++) {
			try {
				const lambda = { service: "lambda", operation: "Invoke", body: invoke } as const;
				await endpoint.call({ ...lambda, caller: "events", sourceArn: target.ruleArn });
				return;
			} catch (error) {
				if (!(error instanceof ServiceError)) throw error;
				// What a client has done wrong, such as a missing permission, is not tried again.
				const lasting = error.status < 500 && error.status !== 429;
				if (lasting || retries === target.retries) return bury(target, Payload, error, retries);
				await endpoint.pause(RETRY_MS);
			}
		}
	}

	async function bury(
		{ deadLetters, arn, ruleArn: sourceArn }: Target,
		MessageBody: string,
		error: ServiceError,
		retries: number,
	) {
		if (deadLetters === undefined) return;
		const about = {
			RULE_ARN: sourceArn,
			TARGET_ARN: arn,
			ERROR_CODE: error.code,
			ERROR_MESSAGE: error.message,
			RETRY_ATTEMPTS: String(retries),
		};
		const MessageAttributes = Object.fromEntries(
			Object.entries(about).map(([name, StringValue]) => [
				name,
				{ DataType: "String", StringValue },
			]),
		);
		const body = { QueueUrl: deadLetters, MessageBody, MessageAttributes };
		const send = { service: "sqs", operation: "SendMessage", body } as const;
		// AWS, too, drops what the queue does not take.
		await endpoint.call({ ...send, caller: "events", sourceArn }).catch(() => undefined);
	}

	function put(entry: PutEventsRequestEntry) {
		const problem = problemWith(entry);
		if (problem) return problem;
		const { Source = "", DetailType = "", Detail = "", Resources = [] } = entry;
		// The protocol sends a time as seconds.
		const time = entry.Time === undefined ? new Date() : new Date(Number(entry.Time) * 1000);
		const event: BusEvent = {
			version: "0",
			id: randomUUID(),
			"detail-type": DetailType,
			source: Source,
			account: ACCOUNT,
			time: time.toISOString().replace(/\.\d+/, ""),
			region: program.region,
			resources: Resources,
			detail: JSON.parse(Detail),
		};
		const bus = nameOf(entry.EventBusName);
		// AWS, too, answers success for a bus that does not exist, and drops the event.
		if (buses.includes(bus)) {
			events.push(event);
			events.splice(0, events.length - EVENTS_KEPT);
			for (const target of targets) {
				if (target.bus !== bus || !target.matches(event)) continue;
				endpoint.inBackground(() => deliver(target, event));
			}
		}
		return { EventId: event.id };
	}

	return {
		events: (): readonly BusEvent[] => events,

		async service({ operation, body }: Call): Promise<object> {
			const { Entries: entries = [] }: { Entries?: PutEventsRequestEntry[] } = body;
			if (operation !== "PutEvents" || entries.length < 1 || entries.length > 10) {
				const message = "There is nothing but PutEvents here, with 1 to 10 entries.";
				throw new ServiceError("ValidationException", message);
			}
			const Entries = entries.map(put);
			const FailedEntryCount = Entries.filter((entry) => "ErrorCode" in entry).length;
			return { FailedEntryCount, Entries };
		},
	};
}

/** A bus may be named by its name or its ARN. */
function nameOf(bus = "default"): string {
	return bus.replace(/^.*event-bus\//, "");
}

function problemWith(entry: PutEventsRequestEntry) {
	for (const field of ["Source", "DetailType", "Detail"] as const) {
		if (entry[field]) continue;
		const reason = `Parameter ${field} is not valid. Reason: ${field} is a required argument.`;
		return { ErrorCode: "InvalidArgument", ErrorMessage: reason };
	}
	try {
		if (JSON.parse(entry.Detail ?? "") instanceof Object) return undefined;
	} catch {}
	return { ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed." };
}

function connect(
	program: Program,
	{ name, inputs }: Declared<"aws:cloudwatch/eventTarget:EventTarget">,
) {
	const bus = nameOf(inputs.eventBusName);
	const rule = declared(program, "aws:cloudwatch/eventRule:EventRule").find(
		(each) => each.physicalName === inputs.rule && nameOf(each.inputs.eventBusName) === bus,
	);
	const transformed = inputs.input ?? inputs.inputPath ?? inputs.inputTransformer;
	if (!rule || transformed !== undefined || !inputs.arn.includes(":function:")) {
		throw new pulumi.RunError(
			`The embedded stack cannot run the event target ${name}: it knows targets that are a function, take the event as it is, and belong to a declared rule; teach local/eventBus.ts others.`,
		);
	}
	const deadLetters = inputs.deadLetterConfig?.arn;
	return {
		bus,
		ruleArn: rule.arn,
		matches: matcher(rule),
		arn: inputs.arn,
		retries: inputs.retryPolicy?.maximumRetryAttempts ?? 185,
		deadLetters: deadLetters === undefined ? undefined : queueUrl(program, deadLetters),
	};
}

function matcher({ name, inputs }: Declared<"aws:cloudwatch/eventRule:EventRule">) {
	if (inputs.eventPattern === undefined || inputs.state === "DISABLED") return () => false;

	function compile(pattern: unknown): (value: unknown) => boolean {
		if (Array.isArray(pattern)) {
			const filter = pattern.find((each) => each instanceof Object);
			if (filter === undefined) {
				return (value) => [value].flat().some((each) => pattern.includes(each));
			}
			throw new pulumi.RunError(
				`The rule ${name} matches events by ${JSON.stringify(filter)}, which the embedded stack cannot: use exact values, or teach local/eventBus.ts to match it.`,
			);
		}
		const tests = Object.entries(Object(pattern)).map(
			([field, inner]) => [field, compile(inner)] as const,
		);
		return (value) => tests.every(([field, test]) => test(Object(value)[field]));
	}
	return compile(JSON.parse(inputs.eventPattern));
}
