import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { Alarm } from "./alarm";
import { queueMetric } from "./metric";

export interface DeadLetterQueueArgs {
	/** The topic of the alarm that something rests here. */
	readonly alarms: aws.sns.Topic;
	/** How many days it keeps a message; SQS takes 14 at the most. */
	readonly deadLetterRetentionDays: number;
}

/** The queue of what a function could not work on, with an alarm as soon as something rests there. */
export class DeadLetterQueue extends aws.sqs.Queue {
	/** All of the program's, in the order of their declaration. */
	static readonly declared: DeadLetterQueue[] = [];

	/** @param of the function's logical name */
	constructor(of: string, { alarms: topic, deadLetterRetentionDays }: DeadLetterQueueArgs) {
		super(`${of}-deadLetters`, {
			messageRetentionSeconds: deadLetterRetentionDays * 24 * 60 * 60,
			sqsManagedSseEnabled: true,
		});
		DeadLetterQueue.declared.push(this);
		new Alarm(`${of}-deadLetters`, {
			topic,
			description: pulumi.interpolate`What ${of} could not work on rests in ${this.name}; the log of ${of} says why.`,
			metrics: [queueMetric("ApproximateNumberOfMessagesVisible", this)],
			statistic: "Maximum",
		});
	}
}
