import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { Alarm } from "./alarm";
import { BundledFunction, type BundledFunctionArgs } from "./bundledFunction";

const day = 24 * 60 * 60;

export interface SubscriberArgs extends BundledFunctionArgs<unknown, void> {
	readonly bus: aws.cloudwatch.EventBus;
	/** Which events it gets: those of this source that have one of these detail types. */
	readonly source: string;
	readonly detailTypes: readonly string[];
	/** The topic of the alarm that an event rests in the dead-letter queue. */
	readonly alarms: aws.sns.Topic;
	/** How many days the dead-letter queue keeps an event; SQS takes 14 at the most. */
	readonly deadLetterRetentionDays: number;
}

/**
 * A function that gets the events of a bus, with all that it takes to lose none unseen: the rule, who may invoke and send, the
 * repetitions, a dead-letter queue of its own for what could not be delivered or consumed, and an alarm as soon as one rests
 * there. What else the function may do is said by `allow`.
 *
 * An event comes at least once, and may come late. The function throws what it could not do: Lambda tries it three times.
 */
export class Subscriber extends BundledFunction<unknown, void> {
	readonly deadLetters: aws.sqs.Queue;

	constructor(name: string, args: SubscriberArgs) {
		super(name, args);
		const { bus, source, detailTypes, alarms: topic } = args;
		this.deadLetters = new aws.sqs.Queue(name, {
			messageRetentionSeconds: args.deadLetterRetentionDays * day,
			sqsManagedSseEnabled: true,
		});

		// What the function fails on, Lambda tries again, and then sends to the dead-letter queue.
		this.allow("deadLetters", [
			{ Effect: "Allow", Action: ["sqs:SendMessage"], Resource: this.deadLetters.arn },
		]);
		new aws.lambda.FunctionEventInvokeConfig(name, {
			functionName: this.name,
			maximumRetryAttempts: 2,
			maximumEventAgeInSeconds: day / 4,
			destinationConfig: { onFailure: { destination: this.deadLetters.arn } },
		});

		// What does not reach the function within a day, EventBridge sends there.
		const rule = new aws.cloudwatch.EventRule(name, {
			eventBusName: bus.name,
			eventPattern: JSON.stringify({ source: [source], "detail-type": detailTypes }),
		});
		this.letInvoke("events.amazonaws.com", rule.arn);
		new aws.sqs.QueuePolicy(name, {
			queueUrl: this.deadLetters.url,
			policy: pulumi.jsonStringify({
				Version: "2012-10-17",
				Statement: [
					{
						Effect: "Allow",
						Principal: { Service: "events.amazonaws.com" },
						Action: "sqs:SendMessage",
						Resource: this.deadLetters.arn,
						Condition: { ArnEquals: { "aws:SourceArn": rule.arn } },
					},
				],
			}),
		});
		new aws.cloudwatch.EventTarget(name, {
			rule: rule.name,
			eventBusName: bus.name,
			arn: this.arn,
			retryPolicy: { maximumEventAgeInSeconds: day, maximumRetryAttempts: 185 },
			deadLetterConfig: { arn: this.deadLetters.arn },
		});

		new Alarm(name, {
			topic,
			description: `Events that ${name} could not consume rest in its dead-letter queue.`,
			namespace: "AWS/SQS",
			metricName: "ApproximateNumberOfMessagesVisible",
			dimensions: { QueueName: this.deadLetters.name },
			statistic: "Maximum",
			period: 60,
		});
	}
}
