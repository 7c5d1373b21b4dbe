import { type Call, ServiceError } from "../endpoint";

const LINES_KEPT = 1000;

/** The fields of CloudWatch Logs' requests that are read here. */
interface Request {
	logGroupName?: string;
	logStreamName?: string;
	logEvents?: { message: string }[];
}

/** CloudWatch Logs, as far as functions write to it: the service, and `lines`, the last lines of a log group. */
export function createLogs() {
	const groups = new Map<string, string[]>();
	const streams = new Set<string>();

	return {
		lines: (group: string): readonly string[] => groups.get(group) ?? [],

		async service({ operation, body }: Call): Promise<object> {
			const { logGroupName = "", logStreamName = "", logEvents = [] }: Request = body;
			if (operation === "CreateLogStream") streams.add(logStreamName);
			else if (!streams.has(logStreamName)) {
				throw new ServiceError("ResourceNotFoundException", "There is no such log stream.");
			}
			const lines = [...(groups.get(logGroupName) ?? []), ...logEvents.map((each) => each.message)];
			groups.set(logGroupName, lines.slice(-LINES_KEPT));
			return {};
		},
	};
}
