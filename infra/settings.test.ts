import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import test from "ava";
import { parse } from "yaml";
import { readSettings } from "./settings";

const project: { config: Readonly<Record<string, { default: unknown }>> } = parse(
	readFileSync(join(__dirname, "../Pulumi.yaml"), "utf8"),
);
/** The defaults, but for what other settings must fit. */
const right = {
	...Object.fromEntries(
		Object.entries(project.config).map(([name, setting]) => [name, String(setting.default)]),
	),
	emailFrom: "",
	emailIdentityArn: "",
};

const identity = "arn:aws:ses:us-east-1:123456789012:identity/example.com";

/** Reads the settings of the stack `prod` of the project `shop`, as the engine gives them. */
function read(config: Readonly<Record<string, string>>) {
	const mocks = { newResource: () => ({ id: "", state: {} }), call: () => ({}) };
	pulumi.runtime.setMocks(mocks, "shop", "prod");
	const settings = Object.entries({ ...right, ...config }).map(([name, value]) => [
		name.includes(":") ? name : `shop:${name}`,
		value,
	]);
	pulumi.runtime.setAllConfig({ "aws:region": "us-east-1", ...Object.fromEntries(settings) });
	return readSettings();
}

test("settings are read with their types", (t) => {
	const written = {
		writeMode: "event",
		protect: "true",
		logRetentionDays: "3653",
		alarmEmail: "ops@example.com",
		passwordAuth: "false",
	};
	t.like(read(written), {
		...written,
		protect: true,
		logRetentionDays: 3653,
		passwordAuth: false,
	});
});

for (const [name, value, allowedValues] of [
	["writeMode", "fast", '"event" or "immediate"'],
	["protect", "maybe", "true or false"],
	["logRetentionDays", "31", "one of 1, 3, 5, 7, 14,"],
	["alarmEmail", "nobody", "an email address, or empty for no mail"],
	["passwordAuth", "yes", "true or false"],
	["reconcileSchedule", "daily", "rate(2 hours), cron(0 4 * * ? *) or at(2027-01-01T04:00:00)"],
	["reconcileSchedule", "rate(1 day", "rate(2 hours), cron(0 4 * * ? *) or at("],
	["reconcileSchedule", "rate(1 banana)", "rate(2 hours), cron(0 4 * * ? *) or at("],
	["reconcileSchedule", "cron(0 4 * *)", "rate(2 hours), cron(0 4 * * ? *) or at("],
	["reconcileSchedule", "at(tomorrow)", "rate(2 hours), cron(0 4 * * ? *) or at("],
	["reconcilePrune", "", "true or false"],
	["emailFrom", "Shop", "an address or Name <address>, the name in double quotes"],
	["emailFrom", "Shop, Inc. <no-reply@example.com>", "an address or Name <address>, the name in"],
	["emailFrom", "Shop <no-reply@example.com", "an address or Name <address>, the name in"],
	["emailFrom", "Shop no-reply@example.com", "an address or Name <address>, the name in"],
	["emailIdentityArn", "example.com", "the ARN of an identity in SES"],
	["emailIdentityArn", identity.replace("ses", "sns"), "the ARN of an identity in SES"],
	["emailIdentityArn", identity.replace("123456789012", ""), "the ARN of an identity in SES"],
] as const) {
	test(`a wrong ${name}, "${value}", is refused in a sentence that says what to write`, (t) => {
		const error = t.throws(() => read({ [name]: value }), { instanceOf: pulumi.RunError });
		t.true(error.message.startsWith(`The setting ${name} must be ${allowedValues}`), error.message);
		t.true(
			error.message.endsWith(`not "${value}"; set it with: pulumi config set ${name} <value>`),
		);
	});
}

test("reconcileSchedule is a rate, a cron expression or a time, and none where it is empty", (t) => {
	for (const reconcileSchedule of [
		"",
		"rate(1 day)",
		"rate(12 hours)",
		"cron(0/30 3 ? * MON-FRI *)",
		"at(2027-01-01T04:00:00)",
	]) {
		t.like(read({ reconcileSchedule }), { reconcileSchedule });
	}
});

for (const [emailFrom, of] of [
	["no-reply@example.com", "example.com"],
	["Shop <no-reply@example.com>", "example.com"],
	['"Shop, Inc." <No-Reply@Mail.Example.com>', "example.com"],
	["no-reply@example.com", "no-reply@example.com"],
] as const) {
	test(`mail is sent from ${emailFrom} with the identity ${of}`, (t) => {
		const emailIdentityArn = identity.replace("example.com", of);
		t.like(read({ emailFrom, emailIdentityArn }), { emailFrom, emailIdentityArn });
	});
}

for (const [given, missing] of [
	[{ emailFrom: "no-reply@example.com" }, "emailIdentityArn"],
	[{ emailIdentityArn: identity }, "emailFrom"],
] as const) {
	test(`without ${missing} the other setting of mail is refused, in a sentence that names it`, (t) => {
		t.throws(() => read(given), {
			instanceOf: pulumi.RunError,
			message: `The settings emailFrom and emailIdentityArn go together: set ${missing} as well, or neither of them.`,
		});
	});
}

for (const emailFrom of ["no-reply@example.org", "Shop <no-reply@badexample.com>"]) {
	test(`mail from ${emailFrom} is refused, as the identity is of another domain`, (t) => {
		t.throws(() => read({ emailFrom, emailIdentityArn: identity }), {
			instanceOf: pulumi.RunError,
			message: `The setting emailFrom must be an address at example.com, the domain of emailIdentityArn, not "${emailFrom}".`,
		});
	});
}

test("a setting that is not declared is refused in a sentence that says what to do", (t) => {
	t.throws(() => read({ writeMod: "event" }), {
		instanceOf: pulumi.RunError,
		message:
			"There is no setting writeMod: take it out of Pulumi.prod.yaml or Pulumi.yaml, or declare it in infra/settings.ts.",
	});
});

test("a setting under the name that the project had before is refused with what to write instead", (t) => {
	t.throws(() => read({ "former-name:protect": "false" }), {
		instanceOf: pulumi.RunError,
		message:
			"The setting protect is set for the project former-name, and this one is called shop: write shop:protect instead of former-name:protect in Pulumi.prod.yaml.",
	});
	t.notThrows(() => read({ "aws:profile": "ops", "datadog:apiKey": "secret" }));
});
