import { isIPv6 } from "node:net";

/** What the SDK clients of one function are made with. */
export interface ClientOptions {
	readonly maxAttempts: number;
	readonly retryMode: "standard" | "adaptive";
	readonly accountIdEndpointMode: "preferred";
	readonly authSchemePreference: string[];
	readonly disableClockSkewCorrection: boolean;
	readonly ignoreConfiguredEndpointUrls: boolean;
	readonly useDualstackEndpoint: boolean;
	readonly useFipsEndpoint: boolean;
	readonly userAgentAppId: () => Promise<string | undefined>;
	readonly requestHandler: {
		readonly connectionTimeout: number;
		readonly requestTimeout: number;
		readonly throwOnRequestTimeout: true;
	};
}

/**
 * What the SDK looks up in files where neither the environment nor the code says it. A function has no such files; to look for
 * them takes milliseconds of its first call: https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html
 */
const notFromFiles = {
	// What a function would have anyway.
	accountIdEndpointMode: "preferred" as const,
	authSchemePreference: [],
	disableClockSkewCorrection: process.env.AWS_DISABLE_CLOCK_SKEW_CORRECTION === "true",
	ignoreConfiguredEndpointUrls: !Object.keys(process.env).some((name) =>
		name.startsWith("AWS_ENDPOINT_URL"),
	),
	useDualstackEndpoint: process.env.AWS_USE_DUALSTACK_ENDPOINT === "true",
	useFipsEndpoint: process.env.AWS_USE_FIPS_ENDPOINT === "true",
	userAgentAppId: async () => process.env.AWS_SDK_UA_APP_ID,
};

// Node.js asks of the host of each call whether it is an IPv6 address, by an expression so large that V8 takes milliseconds to interpret
// it the first time. Of a long text V8 does not: it compiles the expression at once. https://v8.dev/blog/regexp-tier-up
isIPv6(" ".repeat(1_000));

const options = (maxAttempts: number, milliseconds: number): ClientOptions => ({
	...notFromFiles,
	maxAttempts,
	retryMode: "standard",
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
export const triggerClientOptions = options(2, 700);

/** For what nobody waits for: patient with a service that is slow, and well within the function's time-out. */
export const consumerClientOptions = options(3, 3_000);

/** For what has hours: it slows down to what Cognito and DynamoDB let through, and waits out what they refuse for now. */
export const reconcileClientOptions: ClientOptions = {
	...options(10, 5_000),
	retryMode: "adaptive",
};
