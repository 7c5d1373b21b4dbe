import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { DynamoDBBatchResponse, DynamoDBStreamEvent } from "aws-lambda";
import { Alarm } from "./alarm";
import { allow } from "./allow";
import { BundledFunction, type BundledFunctionArgs } from "./bundledFunction";
import { DeadLetterQueue, type DeadLetterQueueArgs } from "./deadLetterQueue";
import { functionMetric } from "./metric";

const minute = 60;
const hour = 60 * minute;

export interface StreamConsumerArgs
	extends BundledFunctionArgs<DynamoDBStreamEvent, DynamoDBBatchResponse>,
		DeadLetterQueueArgs {
	/** A table with a stream. */
	readonly table: aws.dynamodb.Table;
	/** Which records it gets: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html */
	readonly filter: object;
}

/**
 * A function that gets the changes of a table from its stream, in the order of the changes of each item. It answers the first record of a
 * batch that failed, which comes again with all after it, for six hours. What it can never work on it sends to its dead-letter queue itself,
 * as Lambda would send no more than the place of a record in the stream, which keeps it for a day.
 */
export class StreamConsumer extends BundledFunction {
	constructor(name: string, args: StreamConsumerArgs) {
		const deadLetters = new DeadLetterQueue(name, args);
		const environment = { ...args.environment, DEAD_LETTER_QUEUE_URL: deadLetters.url };
		super(name, { ...args, environment });

		const policy = this.allow("consume", [
			// All four: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
			allow(
				args.table.streamArn,
				"dynamodb:GetRecords",
				"dynamodb:GetShardIterator",
				"dynamodb:DescribeStream",
				"dynamodb:ListStreams",
			),
			allow(deadLetters.arn, "sqs:SendMessage"),
		]);
		new aws.lambda.EventSourceMapping(
			name,
			{
				eventSourceArn: args.table.streamArn,
				functionName: this.name,
				startingPosition: "TRIM_HORIZON",
				batchSize: 100,
				bisectBatchOnFunctionError: true,
				maximumRecordAgeInSeconds: 6 * hour,
				functionResponseTypes: ["ReportBatchItemFailures"],
				filterCriteria: { filters: [{ pattern: JSON.stringify(args.filter) }] },
				destinationConfig: { onFailure: { destinationArn: deadLetters.arn } },
			},
			{ dependsOn: [policy] },
		);

		new Alarm(`${name}-age`, {
			topic: args.alarms,
			description: pulumi.interpolate`${name} is behind: a change of the table waits for more than 15 minutes; its log ${this.logGroup.name} says why.`,
			metrics: [functionMetric("IteratorAge", this)],
			statistic: "Maximum",
			threshold: 15 * minute * 1_000,
		});
	}
}
