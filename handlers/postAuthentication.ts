import type { PostAuthenticationTriggerEvent } from "aws-lambda";
import { announce } from "./trigger/announce";

/**
 * Cognito's PostAuthentication trigger: somebody has signed in. It catches the accounts that PostConfirmation never saw
 * (made by an administrator, imported, migrated, or their event was lost), and what has changed in Cognito since:
 * https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-post-authentication.html
 */
export async function handler(event: PostAuthenticationTriggerEvent) {
	await announce("UserAuthenticated", event);
	return event;
}
