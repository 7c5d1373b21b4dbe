import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";

/** What an alarm watches: one metric, or an expression over several. */
type Watched = Pick<
	aws.cloudwatch.MetricAlarmArgs,
	"namespace" | "metricName" | "dimensions" | "statistic" | "period" | "metricQueries"
>;

/** An alarm that goes to a topic as soon as what it watches is more than nothing in one period. */
export class Alarm extends aws.cloudwatch.MetricAlarm {
	constructor(
		name: string,
		{
			topic,
			description,
			...watched
		}: Watched & { readonly topic: aws.sns.Topic; readonly description: pulumi.Input<string> },
	) {
		super(name, {
			...watched,
			alarmDescription: description,
			comparisonOperator: "GreaterThanThreshold",
			threshold: 0,
			evaluationPeriods: 1,
			treatMissingData: "notBreaching",
			alarmActions: [topic.arn],
		});
	}
}
