import { randomUUID } from "node:crypto";
import { type Call, ServiceError } from "../endpoint";
import { declared, type Program } from "../program";

const LINES_KEPT = 1000;

/** A line as CloudWatch Logs answers it; times are in milliseconds. */
interface LogEvent {
	readonly eventId: string;
	readonly logStreamName: string;
	readonly timestamp: number;
	readonly ingestionTime: number;
	readonly message: string;
}

interface LogGroup {
	readonly streams: Map<string, { creationTime: number }>;
	/** From the oldest to the newest. */
	events: LogEvent[];
}

/** The fields of CloudWatch Logs' requests that are read here. */
interface Request {
	logGroupName?: string;
	logGroupNamePrefix?: string;
	logStreamName?: string;
	logStreamNames?: string[];
	logStreamNamePrefix?: string;
	logEvents?: { message: string; timestamp: number }[];
	filterPattern?: string;
	startTime?: number;
	endTime?: number;
	limit?: number;
	startFromHead?: boolean;
}

/**
 * CloudWatch Logs, with the declared log groups and those that functions make by writing to them.
 *
 * @returns the service, and `lines`, the last lines of a log group.
 */
export function createLogs(program: Program) {
	const newGroup = (): LogGroup => ({ streams: new Map(), events: [] });
	const groups = new Map(
		declared(program, "aws:cloudwatch/logGroup:LogGroup").map(({ physicalName }) => [
			physicalName,
			newGroup(),
		]),
	);
	const missing = (what: string) =>
		new ServiceError("ResourceNotFoundException", `The specified log ${what} does not exist.`);

	function eventsOf({ events }: LogGroup, { startTime = 0, endTime, ...request }: Request) {
		const { logStreamName, logStreamNames = [logStreamName], logStreamNamePrefix = "" } = request;
		const matches = compileFilter(request.filterPattern ?? "");
		return events.filter(
			({ message, timestamp, logStreamName: stream }) =>
				timestamp >= startTime &&
				timestamp <= (endTime ?? Number.POSITIVE_INFINITY) &&
				[undefined, stream].some((name) => logStreamNames.includes(name)) &&
				stream.startsWith(logStreamNamePrefix) &&
				matches(message),
		);
	}

	return {
		lines: (name: string): readonly string[] =>
			groups.get(name)?.events.map(({ message }) => message) ?? [],

		async service({ operation, body }: Call): Promise<object> {
			const request: Request = body;
			const { logGroupName = "", logStreamName = "", limit } = request;
			if (operation === "DescribeLogGroups") {
				const { logGroupNamePrefix = "" } = request;
				const names = [...groups.keys()].filter((name) => name.startsWith(logGroupNamePrefix));
				return { logGroups: names.sort().map((name) => ({ logGroupName: name })) };
			}
			if (operation === "CreateLogStream") {
				const group = groups.get(logGroupName) ?? newGroup();
				group.streams.set(logStreamName, { creationTime: Date.now() });
				groups.set(logGroupName, group);
				return {};
			}
			const group = groups.get(logGroupName);
			if (!group) throw missing("group");
			switch (operation) {
				case "DescribeLogStreams": {
					const streams = [...group.streams].map(([name, times]) => ({
						logStreamName: name,
						...times,
						lastEventTimestamp: group.events.findLast((each) => each.logStreamName === name)
							?.timestamp,
					}));
					return { logStreams: streams };
				}
				case "FilterLogEvents":
					return { events: eventsOf(group, request).slice(0, limit), searchedLogStreams: [] };
				case "GetLogEvents":
				case "PutLogEvents": {
					if (!group.streams.has(logStreamName)) throw missing("stream");
					if (operation === "PutLogEvents") {
						const { logEvents = [] } = request;
						const ingestionTime = Date.now();
						const events = logEvents.map(({ message, timestamp }): LogEvent => {
							return { eventId: randomUUID(), logStreamName, timestamp, ingestionTime, message };
						});
						group.events = [...group.events, ...events].slice(-LINES_KEPT);
						return {};
					}
					const all = eventsOf(group, request);
					const count = limit ?? LINES_KEPT;
					const events = request.startFromHead ? all.slice(0, count) : all.slice(-count);
					// A token that comes back the same says that there is no more.
					return { events, nextForwardToken: "f/0", nextBackwardToken: "b/0" };
				}
				default:
					throw new ServiceError("UnsupportedOperation", `There is no ${operation} here.`);
			}
		},
	};
}

/**
 * What a [filter pattern](https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html) selects, if it is one
 * comparison of a JSON property, or terms that a line must all have. Throws `InvalidParameterException` for any other.
 */
function compileFilter(pattern: string): (message: string) => boolean {
	const comparison = /^\{\s*\$\.([\w.]+)\s*(!?=)\s*("?)([^"&|<>*]*)\3\s*\}$/.exec(pattern.trim());
	if (comparison) {
		const [, path = "", operator, , value = ""] = comparison;
		return (message) => {
			const found = property(message, path.split("."));
			return found !== undefined && (String(found) === value.trim()) === (operator === "=");
		};
	}
	if (/^[{[%?-]|\s[?-]/.test(pattern.trim())) {
		const understood = '{ $.level = "ERROR" }, or terms such as ERROR "timed out"';
		throw new ServiceError(
			"InvalidParameterException",
			`Of filter patterns, the embedded stack understands ${understood}, not ${pattern}.`,
		);
	}
	const terms = [...pattern.matchAll(/"([^"]*)"|\S+/g)].map(([term, quoted]) => quoted ?? term);
	return (message) => terms.every((term) => message.includes(term));
}

/** A property of a line that is JSON. */
function property(message: string, path: string[]): unknown {
	try {
		return path.reduce((value, name) => Object(value)[name], JSON.parse(message));
	} catch {
		return undefined;
	}
}
