import { CognitoIdentityProviderClient } from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { okAsync, type Result, type ResultAsync } from "neverthrow";
import { isOfTrail, parseTrail } from "../adapters/cloudTrail";
import { createUserPool } from "../adapters/userPool";
import type { InvalidEvent, InvalidIdentity } from "../domain/errors";
import { recordUser, type Told } from "../domain/sync/record";
import { openTable } from "../domain/table";
import { parseEvent } from "../domain/user/events";
import { createUsers } from "../domain/user/users";
import { consumerClientOptions } from "./runtime/clientOptions";
import { consume } from "./runtime/consume";
import { environment } from "./runtime/environment";
import { type Failure, logRecorded } from "./runtime/log";

const userPoolId = environment("USER_POOL_ID");
const record = recordUser({
	users: createUsers(
		openTable({
			tableName: environment("TABLE_NAME"),
			client: new DynamoDBClient(consumerClientOptions),
		}),
	),
	userPool: createUserPool(userPoolId, new CognitoIdentityProviderClient(consumerClientOptions)),
});

/** Records the user that an event is about, whether a trigger or CloudTrail tells of the account. */
export const handler = consume((event) => {
	const told: Result<Told | undefined, InvalidEvent | InvalidIdentity> = isOfTrail(event)
		? parseTrail(event, userPoolId)
		: parseEvent(event).map(({ account }) => account);
	return told.asyncAndThen((told): ResultAsync<void, Failure> => {
		if (told === undefined) return okAsync(undefined);
		const { sub } = "identity" in told ? told.identity : told;
		return record(told)
			.map(({ outcome }) => logRecorded({ outcome, sub, by: "event" }))
			.mapErr((error) => ({ ...error, sub }));
	});
});
