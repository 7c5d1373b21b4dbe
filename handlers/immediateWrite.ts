import { CognitoIdentityProviderClient } from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { recordUser } from "../domain/recordUser";
import { createUsers } from "../domain/users";
import { triggerLimits } from "./clients";
import { environment } from "./environment";
import { createUserPool } from "./userPool";

/**
 * Makes the recordUser of a trigger. The pool's id comes with each of its events: a function cannot be declared with the name
 * of the pool that names it.
 */
export function createImmediateWrite() {
	const users = createUsers({
		tableName: environment("TABLE_NAME"),
		client: new DynamoDBClient(triggerLimits),
	});
	const cognito = new CognitoIdentityProviderClient(triggerLimits);
	return (userPoolId: string) =>
		recordUser({ users, userPool: createUserPool(userPoolId, cognito) });
}
