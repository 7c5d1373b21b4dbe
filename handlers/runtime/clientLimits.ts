/** What the SDK clients of one function are made with. */
export interface ClientLimits {
	readonly maxAttempts: number;
	readonly retryMode?: "adaptive";
	readonly requestHandler: {
		readonly connectionTimeout: number;
		readonly requestTimeout: number;
		readonly throwOnRequestTimeout: true;
	};
}

const limits = (maxAttempts: number, milliseconds: number): ClientLimits => ({
	maxAttempts,
	requestHandler: {
		connectionTimeout: milliseconds,
		requestTimeout: milliseconds,
		// Without it the SDK logs a warning, and waits on.
		throwOnRequestTimeout: true,
	},
});

/**
 * For what a person waits for: a call takes 1.6 seconds at most, its one retry included. With the immediate write, whose deadline is in
 * announce.ts, it must fit into Cognito's 5 seconds.
 */
export const triggerLimits = limits(2, 700);

/** For what nobody waits for: patient with a service that is slow, and well within the function's time-out. */
export const consumerLimits = limits(3, 3_000);

/** For what has hours: it slows down to what Cognito and DynamoDB let through, and waits out what they refuse for now. */
export const reconcileLimits: ClientLimits = { ...limits(10, 5_000), retryMode: "adaptive" };
