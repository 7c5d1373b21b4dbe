import type { EvaluateOptions } from "../local/evaluate";
import type { Program } from "../local/program";

/** The settings of a test's program, whatever the file of a stack says. */
const settings: EvaluateOptions["settings"] = {
	"aws:region": "us-east-1",
	writeMode: "event",
	protect: false,
	logRetentionDays: 7,
	alarmEmail: "",
	passwordAuth: true,
	reconcileSchedule: "rate(1 day)",
	reconcilePrune: true,
	emailFrom: "",
	emailIdentityArn: "",
};

/** How a project is evaluated with settings of a test's own. */
export const testOptions = (others: EvaluateOptions["settings"] = {}): EvaluateOptions => ({
	// A stack that has no file.
	stack: "none",
	settings: { ...settings, ...others },
});

/** A program as in an account that has no trail: of a change nobody is told but by the next sign-in and reconcile. */
export const withoutTrail = (program: Program): Program => ({
	...program,
	resources: program.resources.filter(
		({ type, name }) => !(/EventTarget$/.test(type) && name.endsWith("-default")),
	),
});

/** A program in which no function is told of changes of the table, for tests of what comes before: they need a process less. */
export const withoutStream = (program: Program): Program => ({
	...program,
	resources: program.resources.filter(
		({ type, inputs }) =>
			!/EventSourceMapping$/.test(type) || inputs.startingPosition === undefined,
	),
});

/** A program whose queues let an event be tried so many times, and then take it to the dead-letter queue. */
export const tried = (times: number, program: Program): Program => ({
	...program,
	resources: program.resources.map((resource) => {
		const { redrivePolicy } = resource.inputs;
		if (redrivePolicy === undefined) return resource;
		const policy = { ...JSON.parse(String(redrivePolicy)), maxReceiveCount: times };
		return { ...resource, inputs: { ...resource.inputs, redrivePolicy: JSON.stringify(policy) } };
	}),
});
