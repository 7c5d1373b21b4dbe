import type * as aws from "@pulumi/aws";

/** A statement of a policy that allows some actions on one resource. */
export const allow = (
	Resource: NonNullable<aws.iam.PolicyStatement["Resource"]>,
	...Action: string[]
): aws.iam.PolicyStatement => ({ Effect: "Allow", Action, Resource });
