import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import { Alarm } from "./alarm";
import { allow } from "./allow";
import { BundledFunction, type BundledFunctionArgs } from "./bundledFunction";
import { DeadLetterQueue, type DeadLetterQueueArgs } from "./deadLetterQueue";
import { functionMetric, queueMetric } from "./metric";

const minute = 60;
const hour = 60 * minute;

/** For so long an event is tried that may succeed later. */
const triedFor = 6 * hour;

/** The most that SQS takes: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue.html */
const mostReceives = 1_000;

export interface SubscriberArgs
	extends BundledFunctionArgs<SQSEvent, SQSBatchResponse>,
		DeadLetterQueueArgs {
	readonly bus: aws.cloudwatch.EventBus;
	/** Which events it gets: those of this source that have one of these detail types. */
	readonly source: string;
	readonly detailTypes: readonly string[];
	/** What else it gets: what matches this event pattern on the account's default bus, where AWS tells of its own. */
	readonly defaultBusPattern?: object;
	/** How many batches of up to ten events are worked on at once; from 2, and 10 unless given. */
	readonly maximumConcurrency?: number;
}

/**
 * A function that gets the events of a bus, with all that it takes to lose none unseen: the rule, a queue between it and the function,
 * and alarms. The function takes events in batches and answers which of them failed: `consume` in handlers/runtime makes that of the work
 * on one event. What failed comes again for six hours, and then goes to a dead-letter queue of its own, from which SQS's own redrive
 * brings it back. What else the function may do is said by `allow`.
 *
 * An event comes at least once, may come late, and in any order.
 */
export class Subscriber extends BundledFunction {
	readonly queue: aws.sqs.Queue;
	readonly deadLetters: DeadLetterQueue;

	constructor(name: string, args: SubscriberArgs) {
		const deadLetters = new DeadLetterQueue(name, args);
		const environment = { ...args.environment, DEAD_LETTER_QUEUE_URL: deadLetters.url };
		super(name, { ...args, environment });
		this.deadLetters = deadLetters;

		// Six times the function's time-out: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
		const visibilityTimeoutSeconds = Math.max(6 * args.timeout, minute);
		this.queue = new aws.sqs.Queue(name, {
			visibilityTimeoutSeconds,
			messageRetentionSeconds: args.deadLetterRetentionDays * 24 * hour,
			sqsManagedSseEnabled: true,
			redrivePolicy: pulumi.jsonStringify({
				deadLetterTargetArn: deadLetters.arn,
				maxReceiveCount: Math.min(Math.ceil(triedFor / visibilityTimeoutSeconds), mostReceives),
			}),
		});

		const ours = { source: [args.source], "detail-type": args.detailTypes };
		const rules = [this.#follow(name, ours, args.bus)];
		if (args.defaultBusPattern) rules.push(this.#follow(`${name}-default`, args.defaultBusPattern));
		for (const [of, queue] of [
			[name, this.queue],
			[`${name}-deadLetters`, deadLetters],
		] as const) {
			new aws.sqs.QueuePolicy(of, {
				queueUrl: queue.url,
				policy: pulumi.jsonStringify({
					Version: "2012-10-17",
					Statement: [
						{
							Effect: "Allow",
							Principal: { Service: "events.amazonaws.com" },
							Action: "sqs:SendMessage",
							Resource: queue.arn,
							Condition: { ArnEquals: { "aws:SourceArn": rules.map(({ arn }) => arn) } },
						},
					],
				}),
			});
		}

		const policy = this.allow("consume", [
			allow(this.queue.arn, "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
			// What can never succeed, the function itself sends there.
			allow(deadLetters.arn, "sqs:SendMessage"),
		]);
		new aws.lambda.EventSourceMapping(
			name,
			{
				eventSourceArn: this.queue.arn,
				functionName: this.name,
				batchSize: 10,
				functionResponseTypes: ["ReportBatchItemFailures"],
				scalingConfig: { maximumConcurrency: args.maximumConcurrency ?? 10 },
			},
			{ dependsOn: [policy] },
		);

		new Alarm(`${name}-age`, {
			topic: args.alarms,
			description: `${name} is behind: an event waits for more than 15 minutes.`,
			metrics: [queueMetric("ApproximateAgeOfOldestMessage", this.queue)],
			statistic: "Maximum",
			threshold: 15 * minute,
		});
		// What was received three times is no longer part of the age, so that an outage would not show there:
		// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
		new Alarm(`${name}-failing`, {
			topic: args.alarms,
			description: pulumi.interpolate`${name} has failed in three of the last five times five minutes; its log ${this.logGroup.name} says why; what may succeed later is tried for six hours.`,
			metrics: [this.count("errors", '{ $.level = "ERROR" }'), functionMetric("Errors", this)],
			statistic: "Sum",
			period: 5 * minute,
			datapoints: 3,
		});
	}

	/** Sends what matches a pattern to the queue, and what the queue does not take within a day, to the dead-letter queue. */
	#follow(name: string, pattern: object, bus?: aws.cloudwatch.EventBus): aws.cloudwatch.EventRule {
		const onBus = bus && { eventBusName: bus.name };
		const rule = new aws.cloudwatch.EventRule(name, {
			...onBus,
			eventPattern: pulumi.jsonStringify(pattern),
		});
		new aws.cloudwatch.EventTarget(name, {
			...onBus,
			rule: rule.name,
			arn: this.queue.arn,
			retryPolicy: { maximumEventAgeInSeconds: 24 * hour, maximumRetryAttempts: 185 },
			deadLetterConfig: { arn: this.deadLetters.arn },
		});
		return rule;
	}
}
