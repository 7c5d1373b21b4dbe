import { RunError } from "@pulumi/pulumi/errors";
import type { Endpoint } from "../endpoint";
import { declared, type Program } from "../program";

/**
 * EventBridge Scheduler with the declared schedules of state machines. Here their time comes only when somebody says so.
 *
 * @returns `run`, which does what a schedule does when its time has come, under its role; and `notRun`, all of them.
 */
export function createScheduler(program: Program, endpoint: Endpoint) {
	const schedules = declared(program, "aws:scheduler/schedule:Schedule");
	const machines = declared(program, "aws:sfn/stateMachine:StateMachine").map(({ arn }) => arn);

	return {
		notRun: schedules.map(({ type, name }) => `${type} ${name}`),

		async run(name: string): Promise<void> {
			const schedule = schedules.find((each) => each.name === name);
			const { arn: stateMachineArn = "", input } = schedule?.inputs.target ?? {};
			if (!machines.includes(stateMachineArn)) {
				throw new RunError(
					`The program declares no schedule ${name} that starts a state machine which it declares, and others the embedded stack cannot run: teach local/aws/scheduler.ts to.`,
				);
			}
			await endpoint.call({
				service: "states",
				operation: "StartExecution",
				body: { stateMachineArn, input },
				caller: `scheduler/${name}`,
			});
		},
	};
}
