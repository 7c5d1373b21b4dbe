import * as pulumi from "@pulumi/pulumi";

/** A metric of CloudWatch, over all of its dimensions that are named. */
export interface Metric {
	readonly namespace: string;
	readonly name: string;
	readonly dimensions?: Readonly<Record<string, pulumi.Input<string>>>;
}

/** A metric of this stack's own, counted from what its functions log. */
export const ownMetric = (name: string, dimensions?: Metric["dimensions"]): Metric => ({
	namespace: `${pulumi.getProject()}/${pulumi.getStack()}`,
	name,
	...(dimensions && { dimensions }),
});

/** A metric of a Lambda function: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html */
export const functionMetric = (
	name: string,
	fn: { readonly name: pulumi.Input<string> },
): Metric => ({
	namespace: "AWS/Lambda",
	name,
	dimensions: { FunctionName: fn.name },
});

/** A metric of an SQS queue: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html */
export const queueMetric = (
	name: string,
	queue: { readonly name: pulumi.Input<string> },
): Metric => ({
	namespace: "AWS/SQS",
	name,
	dimensions: { QueueName: queue.name },
});
