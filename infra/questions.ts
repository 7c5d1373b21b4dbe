import type * as aws from "@pulumi/aws";
import type { Graph, Row } from "./dashboard";
import { DeadLetterQueue } from "./deadLetterQueue";
import { functionMetric, type Metric, queueMetric } from "./metric";
import { recorded } from "./recorded";
import type { StreamConsumer } from "./streamConsumer";
import type { Subscriber } from "./subscriber";
import type { Workflow } from "./workflow";

/** The questions that the dashboard answers, and with what. */
export function questions({
	userPool,
	client,
	triggers,
	recordUser,
	table,
	publishChanges,
	workflow,
}: {
	readonly userPool: aws.cognito.UserPool;
	readonly client: aws.cognito.UserPoolClient;
	readonly triggers: readonly Pick<aws.lambda.Function, "name">[];
	readonly recordUser: Subscriber;
	readonly table: aws.dynamodb.Table;
	readonly publishChanges: StreamConsumer;
	readonly workflow: Workflow;
}): Row[] {
	const ofPool = (name: string): Metric => ({
		namespace: "AWS/Cognito",
		name,
		dimensions: { UserPool: userPool.id, UserPoolClient: client.id },
	});
	const ofTriggers = (name: string) => triggers.map((fn) => functionMetric(name, fn));
	const ofTable = (name: string): Metric => ({
		namespace: "AWS/DynamoDB",
		name,
		dimensions: { TableName: table.name },
	});
	return [
		{
			question: "Do people get in?",
			graphs: [
				sums("Sign-ups and sign-ins", ofPool("SignUpSuccesses"), ofPool("SignInSuccesses")),
				sums(
					"Triggers that failed or were throttled",
					...ofTriggers("Errors"),
					...ofTriggers("Throttles"),
				),
				maxima("Milliseconds in a trigger", ...ofTriggers("Duration")),
			],
		},
		{
			question: "Do profiles follow?",
			graphs: [
				sums("Written at events", ...recorded("event")),
				sums("Written by triggers", ...recorded("trigger")),
				maxima(
					"Seconds that the oldest event waits",
					queueMetric("ApproximateAgeOfOldestMessage", recordUser.queue),
				),
			],
		},
		{
			question: "Does anything rest?",
			graphs: [
				maxima(
					"Dead letters",
					...DeadLetterQueue.declared.map((queue) =>
						queueMetric("ApproximateNumberOfMessagesVisible", queue),
					),
				),
			],
		},
		{
			question: "Does the table keep up?",
			graphs: [
				sums("Throttled requests", ofTable("ReadThrottleEvents"), ofTable("WriteThrottleEvents")),
				sums(
					"Units consumed",
					ofTable("ConsumedReadCapacityUnits"),
					ofTable("ConsumedWriteCapacityUnits"),
				),
				maxima(
					"Milliseconds that the oldest change waits to be told of",
					functionMetric("IteratorAge", publishChanges),
				),
			],
		},
		{
			question: "What did reconcile mend?",
			graphs: [
				sums("Written by reconcile", ...recorded("reconcile")),
				sums("Runs that failed", ...workflow.failures),
			],
		},
	];
}

const sums = (title: string, ...metrics: Metric[]): Graph => ({ title, metrics, statistic: "Sum" });
const maxima = (title: string, ...metrics: Metric[]): Graph => ({
	title,
	metrics,
	statistic: "Maximum",
});
