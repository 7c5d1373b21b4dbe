import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { Alarm } from "./alarm";
import { allow } from "./allow";
import type { BundledFunction } from "./bundledFunction";
import type { Metric } from "./metric";

export interface WorkflowArgs {
	/** The topic of its alarm. */
	readonly alarms: aws.sns.Topic;
	/** What does the work, a part at a time: it gets its own last answer, and answers `next` while there is more to do. */
	readonly function: BundledFunction;
	/** The name of the error at which all is to begin again, as its last answer leads nowhere. */
	readonly beginAgainOn: string;
	/** When it runs, as EventBridge Scheduler takes it: `rate(1 day)`; empty for never by itself. */
	readonly schedule: string;
	/** What the function gets first when the schedule starts it. */
	readonly input: object;
}

/**
 * Work that takes longer than a function may: a state machine that calls the function until it has done all, and a schedule that
 * starts it. Whatever the function throws is tried again for six hours. The machine may call this one function, and the
 * schedule start this one machine, and nothing else.
 *
 * An execution has 25,000 events, and a call takes 7: some 3,500 calls, or 12 days of five minutes each.
 */
export class Workflow {
	readonly stateMachine: aws.sfn.StateMachine;
	/** Its executions that did not come to their end; one that somebody has aborted is no failure. */
	readonly failures: readonly Metric[];

	constructor(name: string, args: WorkflowArgs) {
		this.stateMachine = new aws.sfn.StateMachine(name, {
			roleArn: roleFor(name, "states", allow(args.function.arn, "lambda:InvokeFunction")),
			definition: pulumi.jsonStringify(definition(args)),
		});
		this.failures = ["ExecutionsFailed", "ExecutionsTimedOut"].map((metric) => ({
			namespace: "AWS/States",
			name: metric,
			dimensions: { StateMachineArn: this.stateMachine.arn },
		}));
		new Alarm(name, {
			topic: args.alarms,
			description: pulumi.interpolate`${name} could not do all; see its log ${args.function.logGroup.name}, and the executions of its state machine.`,
			metrics: [args.function.count("errors", '{ $.level = "ERROR" }'), ...this.failures],
			statistic: "Sum",
		});
		if (args.schedule === "") return;
		new aws.scheduler.Schedule(name, {
			scheduleExpression: args.schedule,
			flexibleTimeWindow: { mode: "OFF" },
			target: {
				arn: this.stateMachine.arn,
				roleArn: roleFor(name, "scheduler", allow(this.stateMachine.arn, "states:StartExecution")),
				input: JSON.stringify(args.input),
			},
		});
	}
}

/** The Amazon States Language: https://states-language.net/spec.html */
function definition({ function: fn, beginAgainOn }: WorkflowArgs) {
	return {
		StartAt: "Work",
		States: {
			Work: {
				Type: "Task",
				Resource: fn.arn,
				// No function runs for longer.
				TimeoutSeconds: 900,
				Retry: [
					{ ErrorEquals: [beginAgainOn], MaxAttempts: 0 },
					{
						ErrorEquals: ["States.ALL"],
						IntervalSeconds: 10,
						BackoffRate: 2,
						MaxDelaySeconds: 900,
						// Seven until the pause is 15 minutes long, and 23 of these.
						MaxAttempts: 30,
					},
				],
				Catch: [{ ErrorEquals: [beginAgainOn], ResultPath: "$.error", Next: "Begin again" }],
				Next: "Is there more?",
			},
			"Is there more?": {
				Type: "Choice",
				Choices: [{ Variable: "$.next", IsPresent: true, Next: "Work" }],
				Default: "Done",
			},
			"Begin again": { Type: "Pass", InputPath: "$$.Execution.Input", Next: "Work" },
			Done: { Type: "Succeed" },
		},
	};
}

/**
 * A role of one service, which may do one thing, and that for this account alone:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html; answers its ARN.
 */
function roleFor(
	name: string,
	service: "states" | "scheduler",
	statement: aws.iam.PolicyStatement,
): pulumi.Output<string> {
	const role = new aws.iam.Role(`${name}-${service}`, {
		assumeRolePolicy: pulumi.jsonStringify({
			Version: "2012-10-17",
			Statement: [
				{
					Effect: "Allow",
					Principal: { Service: `${service}.amazonaws.com` },
					Action: "sts:AssumeRole",
					Condition: {
						StringEquals: { "aws:SourceAccount": aws.getCallerIdentityOutput().accountId },
					},
				},
			],
		}),
	});
	new aws.iam.RolePolicy(`${name}-${service}`, {
		role: role.name,
		policy: pulumi.jsonStringify({ Version: "2012-10-17", Statement: [statement] }),
	});
	return role.arn;
}
