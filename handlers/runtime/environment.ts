/** Reads a variable that the Pulumi program declares for the function. */
export function environment(
	name: "TABLE_NAME" | "EVENT_BUS_NAME" | "USER_POOL_ID" | "DEAD_LETTER_QUEUE_URL",
): string {
	const value = process.env[name];
	if (value === undefined) throw new Error(`The environment variable ${name} is not set.`);
	return value;
}
