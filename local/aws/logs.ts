import { type Call, ServiceError } from "../endpoint";

const LINES_KEPT = 1000;

/** The fields of CloudWatch Logs' requests that are read here. */
interface Request {
	logGroupName?: string;
	logStreamName?: string;
	logEvents?: { message: string }[];
}

/**
 * CloudWatch Logs, as far as functions write to it.
 *
 * @returns the service, and `lines`, the last lines of a log group.
 */
export function createLogs() {
	const groups = new Map<string, string[]>();
	const streams = new Set<string>();

	return {
		lines: (group: string): readonly string[] => groups.get(group) ?? [],

		async service({ operation, body }: Call): Promise<object> {
			const { logGroupName = "", logStreamName, logEvents = [] }: Request = body;
			const stream = `${logGroupName}:${logStreamName}`;
			if (operation === "CreateLogStream") streams.add(stream);
			else if (!streams.has(stream)) {
				throw new ServiceError("ResourceNotFoundException", "There is no such log stream.");
			}
			const lines = groups.get(logGroupName) ?? [];
			lines.push(...logEvents.map(({ message }) => message));
			lines.splice(0, lines.length - LINES_KEPT);
			groups.set(logGroupName, lines);
			return {};
		},
	};
}
