import type * as aws from "@pulumi/aws";
import type { Settings } from "./settings";

/**
 * Who sends a pool's mails: SES, as its identity, or Cognito itself. That is said too, as what is left out the provider takes for no
 * change, and a pool would never come back to it.
 */
export const emailConfiguration = ({
	emailFrom,
	emailIdentityArn,
}: Settings): aws.types.input.cognito.UserPoolEmailConfiguration =>
	emailFrom === ""
		? { emailSendingAccount: "COGNITO_DEFAULT" }
		: {
				emailSendingAccount: "DEVELOPER",
				fromEmailAddress: emailFrom,
				sourceArn: emailIdentityArn,
			};
