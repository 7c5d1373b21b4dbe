import * as pulumi from "@pulumi/pulumi";

/** How the text of a setting is read. */
interface Setting<T> {
	/** What may be written, as it stands in the sentence that refuses anything else. */
	readonly allowed: string;
	/** `undefined` for what may not be written. */
	readonly parse: (text: string) => T | undefined;
}

/** The retentions that CloudWatch Logs takes: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html */
const retentions = [
	1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
	3653,
] as const;

const boolean: Setting<boolean> = {
	allowed: "true or false",
	parse: (text) => (text === "true" ? true : text === "false" ? false : undefined),
};

/** An address, or a name and an address; in a name without quotes RFC 5322 leaves a meaning to some characters. */
const sender = /^$|^[^\s@<>]+@[^\s@<>]+$|^("[^"]+"|[^"(),.:;<>@[\]\\]+) <[^\s@<>]+@[^\s@<>]+>$/;

/** https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html */
const schedule =
	/^$|^rate\([1-9]\d* (minute|hour|day)s?\)$|^cron\([^\s()]+( [^\s()]+){5}\)$|^at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)$/;

/** The settings of a stack. To add one, add an entry here, and its type, default and description to Pulumi.yaml. */
const declared = {
	writeMode: {
		allowed: '"event" or "immediate"',
		parse: (text) => (["event", "immediate"] as const).find((mode) => mode === text),
	},
	protect: boolean,
	logRetentionDays: {
		allowed: `one of ${retentions.join(", ")}`,
		parse: (text) => retentions.find((days) => String(days) === text),
	},
	alarmEmail: {
		allowed: "an email address, or empty for no mail",
		parse: (text) => (/^$|^[^\s@]+@[^\s@]+$/.test(text) ? text : undefined),
	},
	passwordAuth: boolean,
	reconcileSchedule: {
		allowed:
			"rate(2 hours), cron(0 4 * * ? *) or at(2027-01-01T04:00:00), as EventBridge Scheduler takes them, or empty for none",
		parse: (text) => (schedule.test(text) ? text : undefined),
	},
	reconcilePrune: boolean,
	emailFrom: {
		allowed:
			"an address or Name <address>, the name in double quotes where it has a comma or a dot, or empty for Cognito's own mailer",
		parse: (text) => (sender.test(text) ? text : undefined),
	},
	emailIdentityArn: {
		allowed:
			"the ARN of an identity in SES, arn:aws:ses:<region>:<account>:identity/<address or domain>, or empty",
		parse: (text) =>
			/^$|^arn:aws[a-z-]*:ses:[a-z0-9-]+:\d{12}:identity\/[^\s/]+$/.test(text) ? text : undefined,
	},
} satisfies Readonly<Record<string, Setting<unknown>>>;

/** The settings of a stack, checked; what each means stands in Pulumi.yaml. */
export type Settings = {
	readonly [Name in keyof typeof declared]: NonNullable<
		ReturnType<(typeof declared)[Name]["parse"]>
	>;
};

/** The namespaces of settings that are not a project's. */
const notProjects = ["aws", "pulumi"];

/**
 * Reads the settings of the stack; their defaults come from Pulumi.yaml.
 *
 * @throws {pulumi.RunError} with the sentence that says what to write, for a value that is missing or not allowed, a name that is not
 * declared, a name that is set for another project, as after this one was renamed, and for settings that do not fit each other
 */
export function readSettings(): Settings {
	const project = pulumi.getProject();
	for (const key of Object.keys(pulumi.runtime.allConfig())) {
		const [namespace = "", name = ""] = key.split(":");
		const isDeclared = Object.hasOwn(declared, name);
		if (namespace === project && !isDeclared) {
			throw new pulumi.RunError(
				`There is no setting ${name}: take it out of Pulumi.${pulumi.getStack()}.yaml or Pulumi.yaml, or declare it in infra/settings.ts.`,
			);
		}
		if (namespace !== project && isDeclared && !notProjects.includes(namespace)) {
			throw new pulumi.RunError(
				`The setting ${name} is set for the project ${namespace}, and this one is called ${project}: write ${project}:${name} instead of ${key} in Pulumi.${pulumi.getStack()}.yaml.`,
			);
		}
	}

	const config = new pulumi.Config();
	const settings = Object.entries<Setting<unknown>>(declared).map(([name, { allowed, parse }]) => {
		const text = config.get(name);
		if (text === undefined) {
			throw new pulumi.RunError(
				`The setting ${name} has no value: declare it with its default in Pulumi.yaml, or set it with: pulumi config set ${name} <value>`,
			);
		}
		const value = parse(text);
		if (value !== undefined) return [name, value] as const;
		throw new pulumi.RunError(
			`The setting ${name} must be ${allowed}, not "${text}"; set it with: pulumi config set ${name} <value>`,
		);
	});
	// Object.fromEntries forgets which name has which type.
	const read = Object.fromEntries(settings) as Settings;
	const problem = problemWithEmail(read);
	if (problem !== undefined) throw new pulumi.RunError(problem);
	return read;
}

/** What is wrong with settings that are right one by one. */
function problemWithEmail({ emailFrom, emailIdentityArn }: Settings): string | undefined {
	if (emailFrom === "" && emailIdentityArn === "") return undefined;
	if (emailFrom === "" || emailIdentityArn === "") {
		const missing = emailFrom === "" ? "emailFrom" : "emailIdentityArn";
		return `The settings emailFrom and emailIdentityArn go together: set ${missing} as well, or neither of them.`;
	}
	const [from = "", identity = ""] = [emailFrom, emailIdentityArn].map((text) =>
		text.replace(/^.*[@/]|>$/g, "").toLowerCase(),
	);
	if (from === identity || from.endsWith(`.${identity}`)) return undefined;
	return `The setting emailFrom must be an address at ${identity}, the domain of emailIdentityArn, not "${emailFrom}".`;
}
