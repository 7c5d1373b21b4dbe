import { CognitoIdentityProviderClient } from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { recordUser } from "../domain/recordUser";
import { createUsers } from "../domain/users";
import { triggerLimits } from "./clients";
import { environment } from "./environment";
import { createUserPool } from "./userPool";

const users = createUsers({
	tableName: environment("TABLE_NAME"),
	client: new DynamoDBClient(triggerLimits),
});
const cognito = new CognitoIdentityProviderClient(triggerLimits);

/** recordUser for a trigger: the pool's id comes with its event, as a pool cannot be named by what it names itself. */
export const recordUserOf = (userPoolId: string) =>
	recordUser({ users, userPool: createUserPool(userPoolId, cognito) });
