import type { PostConfirmationTriggerEvent } from "aws-lambda";
import { announce } from "./trigger/announce";

/**
 * Cognito's PostConfirmation trigger: a new account has been confirmed. It fires for a forgotten password too, which makes
 * no account. Cognito expects its own event as the answer:
 * https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-post-confirmation.html
 */
export async function handler(event: PostConfirmationTriggerEvent) {
	if (event.triggerSource === "PostConfirmation_ConfirmSignUp") {
		await announce("UserConfirmed", event);
	}
	return event;
}
