import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { Alarm } from "./alarm";
import { BundledFunction, type BundledFunctionArgs } from "./bundledFunction";
import { functionMetric } from "./metric";

export interface TriggerArgs<Event> extends Omit<BundledFunctionArgs<Event, Event>, "timeout"> {
	/** The topic of the trigger's alarms. */
	readonly alarms: aws.sns.Topic;
}

/**
 * A function that Cognito calls while a person waits, and that fails open, with an alarm on each thing that can go wrong. It has the 5 seconds
 * that Cognito waits: https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
 */
export class Trigger<Event> extends BundledFunction {
	constructor(name: string, args: TriggerArgs<Event>) {
		super(name, { ...args, timeout: 5 });
		const topic = args.alarms;
		new Alarm(`${name}-errors`, {
			topic,
			description: pulumi.interpolate`${name} could not do its work; its log ${this.logGroup.name} says why. Who signed up or in is recorded by what comes after.`,
			metrics: [this.count("errors", '{ $.level = "ERROR" }')],
			statistic: "Sum",
		});
		// As it fails open, Lambda sees no error in what it logs itself.
		new Alarm(`${name}-crashes`, {
			topic,
			description: pulumi.interpolate`${name} could not start, crashed or ran out of time, so that people could not sign up or in; its log ${this.logGroup.name} says why.`,
			metrics: [functionMetric("Errors", this)],
			statistic: "Sum",
		});
		new Alarm(`${name}-throttles`, {
			topic,
			description: `Lambda throttled ${name}, so that people could not sign up or in: raise the account's concurrency.`,
			metrics: [functionMetric("Throttles", this)],
			statistic: "Sum",
		});
		new Alarm(`${name}-duration`, {
			topic,
			description: `${name} took more than 4 of the 5 seconds that Cognito waits for it.`,
			metrics: [functionMetric("Duration", this)],
			statistic: "Maximum",
			threshold: 4_000,
		});
	}
}
