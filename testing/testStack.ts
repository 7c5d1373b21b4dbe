import type { EvaluateOptions } from "../local/evaluate";
import type { Program } from "../local/program";
import { type Stack, startStack } from "../local/stack";
import { evaluateOnce } from "./evaluateOnce";
import { testOptions } from "./programs";

/** This project's program, with settings of the test's own. */
export const testProgram = (settings?: EvaluateOptions["settings"]): Promise<Program> =>
	evaluateOnce(testOptions(settings));

/** An embedded stack of this project's program, with settings of the test's own. */
export const startTestStack = async (settings?: EvaluateOptions["settings"]): Promise<Stack> =>
	startStack({ program: await testProgram(settings) });
