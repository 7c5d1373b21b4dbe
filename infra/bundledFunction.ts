import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { allow } from "./allow";
import { bundle } from "./bundle";
import { type Metric, ownMetric } from "./metric";

export interface BundledFunctionArgs<Event = never, Answer = unknown> {
	/** Makes the handler, once per cold start. It captures nothing, and requires its module by a relative path. */
	readonly callbackFactory: () => (event: Event, context: aws.lambda.Context) => Promise<Answer>;
	/** In seconds. */
	readonly timeout: number;
	readonly environment?: Readonly<Record<string, pulumi.Input<string>>>;
	readonly logRetentionDays: number;
}

/**
 * A Lambda function with a bundled archive, a role of its own that may do nothing but write the function's logs, and a log
 * group of its own, in JSON. What else it may do is said by {@link allow}, and who may invoke it by {@link letInvoke}.
 */
export class BundledFunction extends aws.lambda.Function {
	readonly logGroup: aws.cloudwatch.LogGroup;
	readonly #name: string;
	readonly #role: aws.iam.Role;

	constructor(name: string, args: BundledFunctionArgs) {
		const logGroup = new aws.cloudwatch.LogGroup(name, { retentionInDays: args.logRetentionDays });
		const role = new aws.iam.Role(name, {
			assumeRolePolicy: JSON.stringify(
				aws.iam.assumeRolePolicyForPrincipal({ Service: "lambda.amazonaws.com" }),
			),
		});
		const variables = args.environment ?? {};
		super(name, {
			...bundle(args.callbackFactory, variables),
			timeout: args.timeout,
			environment: { variables },
			role: role.arn,
			runtime: aws.lambda.Runtime.NodeJS24dX,
			architectures: ["arm64"],
			memorySize: 512,
			loggingConfig: { logFormat: "JSON", logGroup: logGroup.name },
		});
		this.logGroup = logGroup;
		this.#name = name;
		this.#role = role;
		// The streams of the group: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
		const streams = pulumi.interpolate`${logGroup.arn}:log-stream:*`;
		this.allow("logs", [allow(streams, "logs:CreateLogStream", "logs:PutLogEvents")]);
	}

	/**
	 * Counts the lines of the function's log that match a pattern, as a metric of this stack's own.
	 *
	 * @param purpose names the filter, once per function, and with the function the metric, unless one is given
	 * @param pattern https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
	 * @param metric its dimensions are fields of the line, such as `$.level`
	 */
	count(purpose: string, pattern: string, metric = ownMetric(`${this.#name}-${purpose}`)): Metric {
		new aws.cloudwatch.LogMetricFilter(`${this.#name}-${purpose}`, {
			logGroupName: this.logGroup.name,
			pattern,
			metricTransformation: { ...metric, value: "1" },
		});
		return metric;
	}

	/** Attaches an inline policy to the function's role. The purpose names it, once per function. */
	allow(purpose: string, statements: aws.iam.PolicyStatement[]): aws.iam.RolePolicy {
		return new aws.iam.RolePolicy(`${this.#name}-${purpose}`, {
			role: this.#role.name,
			policy: pulumi.jsonStringify({ Version: "2012-10-17", Statement: statements }),
		});
	}

	/** Lets an AWS service, such as `events.amazonaws.com`, invoke the function for one resource of it; once for each service. */
	letInvoke(service: string, sourceArn: pulumi.Input<string>): aws.lambda.Permission {
		return new aws.lambda.Permission(`${this.#name}-${service.split(".")[0]}`, {
			function: this.name,
			action: "lambda:InvokeFunction",
			principal: service,
			sourceArn,
		});
	}
}
