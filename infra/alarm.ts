import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import type { Metric } from "./metric";

/** Of so many periods, the newest, an alarm counts those that are over its threshold. */
const evaluationPeriods = 5;

export interface AlarmArgs {
	/** Where the alarm goes. */
	readonly topic: aws.sns.Topic;
	/** What it means, and what to look at. */
	readonly description: pulumi.Input<string>;
	/** What it watches, added up; a metric that has no data counts nothing. */
	readonly metrics: readonly Metric[];
	readonly statistic: "Sum" | "Maximum";
	/** What they must be over; 0 unless given. */
	readonly threshold?: number;
	/** The length of a period, in seconds; a minute unless given. */
	readonly period?: number;
	/** In how many of the last five periods they must be over it; 1 unless given. */
	readonly datapoints?: number;
}

/**
 * An alarm that goes to a topic when what it watches is over a threshold, and again when it no longer is. It looks at five periods and
 * not at the newest alone, whose data may be late: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
 */
export class Alarm extends aws.cloudwatch.MetricAlarm {
	constructor(name: string, args: AlarmArgs) {
		const { statistic: stat, period = 60 } = args;
		const queries = args.metrics.map(({ namespace, name, dimensions = {} }, index) => ({
			id: `m${index}`,
			metric: { namespace, metricName: name, dimensions, stat, period },
		}));
		const expression = queries.map(({ id }) => id).join(" + ");
		super(name, {
			alarmDescription: args.description,
			metricQueries: [{ id: "sum", expression, returnData: true }, ...queries],
			comparisonOperator: "GreaterThanThreshold",
			threshold: args.threshold ?? 0,
			evaluationPeriods,
			datapointsToAlarm: args.datapoints ?? 1,
			treatMissingData: "notBreaching",
			alarmActions: [args.topic.arn],
			okActions: [args.topic.arn],
		});
	}
}
