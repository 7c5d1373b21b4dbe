import { CognitoIdentityProviderClient } from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { createUserPool } from "../adapters/userPool";
import { recordUser } from "../domain/sync/record";
import { openTable } from "../domain/table";
import { parseEvent } from "../domain/user/events";
import { createUsers } from "../domain/user/users";
import { consumerLimits } from "./runtime/clientLimits";
import { environment } from "./runtime/environment";
import { logFailure } from "./runtime/log";

const record = recordUser({
	users: createUsers(
		openTable({
			tableName: environment("TABLE_NAME"),
			client: new DynamoDBClient(consumerLimits),
		}),
	),
	userPool: createUserPool(
		environment("USER_POOL_ID"),
		new CognitoIdentityProviderClient(consumerLimits),
	),
});

/**
 * Consumes the events of the bus: records the user that each names. It throws what it could not do, which is how Lambda
 * learns to try again, and in the end to put the event into the dead-letter queue:
 * https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
 */
export async function handler(event: unknown): Promise<void> {
	const parsed = parseEvent(event);
	if (parsed.isErr()) {
		logFailure(parsed.error);
		throw new Error(parsed.error.type);
	}
	const { sub } = parsed.value.account.identity;
	const recorded = await record(parsed.value.account);
	if (recorded.isErr()) {
		logFailure(recorded.error, sub);
		throw new Error(recorded.error.type);
	}
	console.info({ outcome: recorded.value.outcome, sub });
}
