import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { Metric } from "./metric";

/** Some metrics over time. */
export interface Graph {
	readonly title: string;
	readonly metrics: readonly Metric[];
	readonly statistic: "Sum" | "Maximum";
}

/** What somebody wants to know, and the graphs that answer it. */
export interface Row {
	readonly question: string;
	readonly graphs: readonly Graph[];
}

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html */
const width = 24;
const heights = { question: 1, graph: 6 };

/** A CloudWatch dashboard: a row for each question. */
export class Dashboard extends aws.cloudwatch.Dashboard {
	/** Where to look at it. */
	readonly url: pulumi.Output<string>;

	/** @param rows is asked once the whole program has been read, so that it sees what is declared after the dashboard */
	constructor(name: string, region: pulumi.Input<string>, rows: () => readonly Row[]) {
		const body = pulumi.all([Promise.resolve().then(rows), region]).apply(([rows, region]) => ({
			widgets: rows.flatMap((row, index) => widgetsOf(row, index, region)),
		}));
		super(name, {
			dashboardName: `${pulumi.getProject()}-${pulumi.getStack()}`,
			dashboardBody: pulumi.jsonStringify(body),
		});
		this.url = pulumi.interpolate`https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}#dashboards/dashboard/${this.dashboardName}`;
	}
}

function widgetsOf({ question, graphs }: pulumi.Unwrap<Row>, index: number, region: string) {
	const y = index * (heights.question + heights.graph);
	const markdown = { markdown: `## ${question}` };
	const heading = { type: "text", x: 0, y, width, height: heights.question, properties: markdown };
	const each = Math.floor(width / graphs.length);
	return [
		heading,
		...graphs.map(({ title, metrics, statistic }, position) => ({
			type: "metric",
			x: position * each,
			y: y + heights.question,
			width: each,
			height: heights.graph,
			properties: {
				title,
				region,
				stat: statistic,
				period: 300,
				metrics: metrics.map(({ namespace, name, dimensions = {} }) => [
					namespace,
					name,
					...Object.entries(dimensions).flat(),
				]),
			},
		})),
	];
}
