import type * as aws from "@pulumi/aws";

/** A statement of a policy that allows some actions on one resource. */
export const allow = (
	resource: aws.iam.PolicyStatement["Resource"],
	...actions: string[]
): aws.iam.PolicyStatement => ({
	Effect: "Allow",
	Action: actions,
	...(resource !== undefined && { Resource: resource }),
});
