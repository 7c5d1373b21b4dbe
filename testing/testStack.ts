import { evaluate, type Program } from "../local/program";
import { type Stack, type StackOptions, startStack } from "../local/stack";

type Settings = NonNullable<StackOptions["settings"]>;

/** The settings of a test's program, whatever the file of a stack says. */
const testSettings: Settings = {
	"aws:region": "us-east-1",
	writeMode: "event",
	protect: false,
	logRetentionDays: 7,
	alarmEmail: "",
	passwordAuth: true,
	reconcileSchedule: "rate(1 day)",
	reconcilePrune: true,
};

const optionsOf = (settings: Settings) => ({
	// A stack that has no file.
	stack: "none",
	settings: { ...testSettings, ...settings },
});

/** This project's program, with settings of the test's own. */
export const testProgram = (settings: Settings = {}): Promise<Program> =>
	evaluate(optionsOf(settings));

/** An embedded stack of this project's program, or of the project in another directory, with settings of the test's own. */
export const startTestStack = (
	settings: Settings = {},
	options: Pick<StackOptions, "directory"> = {},
): Promise<Stack> => startStack({ ...options, ...optionsOf(settings) });
