import * as pulumi from "@pulumi/pulumi";

const writeModes = ["event", "immediate"] as const;

/** The retentions that CloudWatch Logs takes: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html */
const retentions = [
	1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
	3653,
] as const;

/** The settings of a stack; what each means stands in Pulumi.yaml. */
export interface Settings {
	readonly writeMode: (typeof writeModes)[number];
	readonly protect: boolean;
	readonly logRetentionDays: (typeof retentions)[number];
	readonly alarmEmail: string | undefined;
	readonly passwordAuth: boolean;
}

/**
 * Reads the settings of the stack; their defaults come from Pulumi.yaml.
 *
 * @throws {pulumi.RunError} with the sentence that says what to write, for a value that is not allowed
 */
export function readSettings(): Settings {
	const config = new pulumi.Config();

	function read<T>(
		name: keyof Settings,
		parse: (text: string) => T | undefined,
		allowed: string,
	): T {
		const text = config.require(name);
		const value = parse(text);
		if (value !== undefined) return value;
		throw new pulumi.RunError(
			`The setting ${name} must be ${allowed}, not "${text}"; set it with: pulumi config set ${name} <value>`,
		);
	}

	const boolean = (name: keyof Settings) =>
		read(
			name,
			(text) => (text === "true" ? true : text === "false" ? false : undefined),
			"true or false",
		);

	return {
		writeMode: read(
			"writeMode",
			(text) => writeModes.find((mode) => mode === text),
			writeModes.map((mode) => `"${mode}"`).join(" or "),
		),
		protect: boolean("protect"),
		logRetentionDays: read(
			"logRetentionDays",
			(text) => retentions.find((days) => String(days) === text),
			`one of ${retentions.join(", ")}`,
		),
		alarmEmail:
			read(
				"alarmEmail",
				(text) => (/^$|^[^\s@]+@[^\s@]+$/.test(text) ? text : undefined),
				"an email address, or empty for no mail",
			) || undefined,
		passwordAuth: boolean("passwordAuth"),
	};
}
