import { type Call, ConnectionLost, ServiceError } from "./endpoint";

/** What goes wrong with the calls of one service. */
export interface Fault {
	readonly service: Call["service"];
	/** Which operation; all of the service's, unless given. */
	readonly operation?: string;
	/** Calls whose request holds this text; all, unless given. */
	readonly about?: string;
	/** Of those calls, each so-manieth; every one, unless given. */
	readonly every?: number;
	/** Whose calls, such as those of the function `recordUser`; everybody's, unless given. */
	readonly caller?: string;
	/**
	 * `throttle` and `fail` answer the service's own error, `failEntries` an answer of PutEvents in which every entry has failed;
	 * `delay` answers late, `hang` never, and `disconnect` ends the connection without an answer.
	 */
	readonly kind: "throttle" | "fail" | "failEntries" | "delay" | "hang" | "disconnect";
	/** The code of another error that `fail` answers: one that says that the request is at fault. */
	readonly code?: string;
	/** How long a `delay` is. */
	readonly milliseconds?: number;
	/** Whether the service does the work first: then what is late or lost is the answer alone. */
	readonly afterWork?: boolean;
	/** How many calls; all, unless given. */
	readonly times?: number;
}

/** The longest that a timer of Node.js can wait: 24 days. */
const FOREVER = 2 ** 31 - 1;

const ERRORS: Record<Call["service"], { throttle: [string, number?]; fail: string }> = {
	"cognito-idp": { throttle: ["TooManyRequestsException"], fail: "InternalErrorException" },
	dynamodb: { throttle: ["ProvisionedThroughputExceededException"], fail: "InternalServerError" },
	dynamodbstreams: { throttle: ["ThrottlingException"], fail: "InternalServerError" },
	events: { throttle: ["ThrottlingException"], fail: "InternalException" },
	lambda: { throttle: ["TooManyRequestsException", 429], fail: "ServiceException" },
	logs: { throttle: ["ThrottlingException"], fail: "ServiceUnavailableException" },
	sqs: { throttle: ["ThrottlingException"], fail: "InternalFailure" },
	states: { throttle: ["ThrottlingException"], fail: "InternalFailure" },
};

/** Keeps the faults of a stack; `pause` waits, and rejects when its signal says so or the stack closes. */
export function createFaults(pause: (milliseconds: number, signal: AbortSignal) => Promise<void>) {
	const faults = new Map<Fault, { met: number; left: number; lifted: AbortController }>();

	async function failing({ service, body }: Call, fault: Fault, lifted: AbortSignal) {
		const message = "A fault that was asked for.";
		switch (fault.kind) {
			case "throttle":
				throw new ServiceError(ERRORS[service].throttle[0], message, ERRORS[service].throttle[1]);
			case "fail":
				if (fault.code) throw new ServiceError(fault.code, message);
				throw new ServiceError(ERRORS[service].fail, message, 500);
			case "failEntries": {
				const { Entries = [] }: { Entries?: object[] } = body;
				const failed = { ErrorCode: "InternalFailure", ErrorMessage: message };
				return { FailedEntryCount: Entries.length, Entries: Entries.map(() => failed) };
			}
			case "delay":
				return pause(fault.milliseconds ?? 0, lifted).catch(() => undefined);
			case "hang":
				await pause(FOREVER, lifted).catch(() => undefined);
				throw new ConnectionLost();
			case "disconnect":
				throw new ConnectionLost();
		}
	}

	return {
		/** Begins a fault; the function returned lifts it: what is delayed goes on, and what hangs is disconnected. */
		begin(fault: Fault): () => void {
			const lifted = new AbortController();
			faults.set(fault, { met: 0, left: fault.times ?? Number.POSITIVE_INFINITY, lifted });
			return () => {
				faults.delete(fault);
				lifted.abort();
			};
		},

		/** Does the work of a call, unless a fault says otherwise. */
		async around(call: Call, work: () => Promise<object>): Promise<object> {
			const found = [...faults].find(
				([fault, state]) =>
					state.left > 0 &&
					fault.service === call.service &&
					(fault.operation ?? call.operation) === call.operation &&
					(fault.caller ?? call.caller) === call.caller &&
					(fault.about === undefined || JSON.stringify(call.body).includes(fault.about)) &&
					++state.met % (fault.every ?? 1) === 0,
			);
			if (!found) return work();
			const [fault, state] = found;
			state.left--;
			const done = fault.afterWork && (await work());
			return (await failing(call, fault, state.lifted.signal)) || done || work();
		},
	};
}
