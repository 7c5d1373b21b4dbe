import * as pulumi from "@pulumi/pulumi";
import test from "ava";
import { readSettings } from "./settings";

const right = {
	writeMode: "event",
	protect: "true",
	logRetentionDays: "30",
	alarmEmail: "",
	passwordAuth: "false",
	reconcileSchedule: "rate(1 day)",
	reconcilePrune: "true",
};

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
	t.like(read({ logRetentionDays: "3653", alarmEmail: "ops@example.com" }), {
		writeMode: "event",
		protect: true,
		logRetentionDays: 3653,
		alarmEmail: "ops@example.com",
		passwordAuth: false,
		reconcileSchedule: "rate(1 day)",
		reconcilePrune: true,
	});
});

for (const [name, value, allowedValues] of [
	["writeMode", "fast", '"event" or "immediate"'],
	["protect", "maybe", "true or false"],
	["logRetentionDays", "31", "one of 1, 3, 5, 7, 14,"],
	["alarmEmail", "nobody", "an email address, or empty for no mail"],
	["passwordAuth", "yes", "true or false"],
	["reconcileSchedule", "daily", "rate(...), cron(...) or at(...), as EventBridge Scheduler"],
	["reconcileSchedule", "rate(1 day", "rate(...), cron(...) or at(...), as EventBridge Scheduler"],
	["reconcilePrune", "", "true or false"],
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
	for (const reconcileSchedule of ["", "rate(12 hours)", "cron(0 3 * * ? *)"]) {
		t.like(read({ reconcileSchedule }), { reconcileSchedule });
	}
});

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
