import { CognitoIdentityProviderClient } from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { createUserPool } from "../../adapters/userPool";
import { recordUser } from "../../domain/sync/record";
import { openTable } from "../../domain/table";
import { createUsers } from "../../domain/user/users";
import { triggerClientOptions } from "../runtime/clientOptions";
import { environment } from "../runtime/environment";

/**
 * Makes the recordUser of a trigger. The pool's id comes with each of its events: a function cannot be declared with the name
 * of the pool that names it.
 */
export function createImmediateWrite() {
	const users = createUsers(
		openTable({
			tableName: environment("TABLE_NAME"),
			client: new DynamoDBClient(triggerClientOptions),
		}),
	);
	const cognito = new CognitoIdentityProviderClient(triggerClientOptions);
	return (userPoolId: string) =>
		recordUser({ users, userPool: createUserPool(userPoolId, cognito) });
}
