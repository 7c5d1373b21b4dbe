import { join } from "node:path";
import {
	AdminConfirmSignUpCommand,
	AdminCreateUserCommand,
	AdminGetUserCommand,
	AdminUpdateUserAttributesCommand,
	CognitoIdentityProviderClient,
	ConfirmSignUpCommand,
	InitiateAuthCommand,
	ListUsersCommand,
	RespondToAuthChallengeCommand,
	SignUpCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import test from "ava";
import { type Stack, startStack } from "../stack";

// Where cognito-local alone would answer otherwise than AWS.

let stack: Stack;
let cognito: CognitoIdentityProviderClient;
let UserPoolId: string | undefined;
let ClientId: string | undefined;
const Password = "Correct-Horse-7";

test.before(async () => {
	stack = await startStack({ directory: join(__dirname, "../../testing/secondProgram") });
	cognito = new CognitoIdentityProviderClient(stack.clientOptions);
	({ userPoolId: UserPoolId, userPoolClientId: ClientId } = stack.outputs);
});
test.after.always(() => stack.close());

const signUp = (Username: string, attributes: Record<string, string> = {}) =>
	cognito.send(
		new SignUpCommand({
			ClientId,
			Username,
			Password,
			UserAttributes: Object.entries(attributes).map(([Name, Value]) => ({ Name, Value })),
		}),
	);

const confirm = (Username: string, ClientMetadata = {}) =>
	cognito.send(
		new ConfirmSignUpCommand({
			ClientId,
			Username,
			ClientMetadata,
			ConfirmationCode: stack.codeFor(Username),
		}),
	);

const signIn = (USERNAME: string, PASSWORD = Password) =>
	cognito.send(
		new InitiateAuthCommand({
			ClientId,
			AuthFlow: "USER_PASSWORD_AUTH",
			AuthParameters: { USERNAME, PASSWORD },
		}),
	);

async function attributesOf(Username: string) {
	const user = await cognito.send(new AdminGetUserCommand({ UserPoolId, Username }));
	return Object.fromEntries((user.UserAttributes ?? []).map(({ Name, Value }) => [Name, Value]));
}

test("an email is one account in whatever case", async (t) => {
	await signUp("Ada@Example.com");
	await t.throwsAsync(signUp("ada@example.COM"), { name: "UsernameExistsException" });
	await confirm("ada@example.COM");
	t.truthy((await signIn("ADA@example.com")).AuthenticationResult);
});

test("the emailed code verifies the email, an administrator's confirmation does not", async (t) => {
	await signUp("by-code@example.com");
	await confirm("by-code@example.com");
	t.is((await attributesOf("by-code@example.com")).email_verified, "true");
	await signUp("by-admin@example.com");
	const Username = "by-admin@example.com";
	await cognito.send(new AdminConfirmSignUpCommand({ UserPoolId, Username }));
	t.not((await attributesOf("by-admin@example.com")).email_verified, "true");
});

test("a client writes only what it may, and its tokens show only what it may read", async (t) => {
	await t.throwsAsync(signUp("eve@example.com", { "custom:plan": "gold" }), {
		name: "NotAuthorizedException",
	});
	const Username = "eve@example.com";
	await signUp(Username);
	await confirm(Username);
	const UserAttributes = [{ Name: "custom:plan", Value: "gold" }];
	await cognito.send(
		new AdminUpdateUserAttributesCommand({ UserPoolId, Username, UserAttributes }),
	);
	const { AuthenticationResult } = await signIn(Username);
	const [, claims = ""] = String(AuthenticationResult?.IdToken).split(".");
	t.false(Buffer.from(claims, "base64url").toString().includes("gold"));
	t.is((await attributesOf(Username))["custom:plan"], "gold");
});

test("a trigger that fails is told to the person who signs up", async (t) => {
	await signUp("failing@example.com");
	await t.throwsAsync(confirm("failing@example.com", { fault: "no luck" }), {
		name: "UserLambdaValidationException",
		message: "PostConfirmation failed with error no luck.",
	});
});

test("an account made by an administrator wants the temporary password, then a new one", async (t) => {
	const Username = "made@example.com";
	const TemporaryPassword = "Temporary-1";
	const MessageAction = "SUPPRESS";
	await cognito.send(
		new AdminCreateUserCommand({ UserPoolId, Username, TemporaryPassword, MessageAction }),
	);
	await t.throwsAsync(signIn(Username), { name: "NotAuthorizedException" });
	const { ChallengeName, Session } = await signIn(Username, TemporaryPassword);
	t.is(ChallengeName, "NEW_PASSWORD_REQUIRED");
	const { AuthenticationResult } = await cognito.send(
		new RespondToAuthChallengeCommand({
			ClientId,
			ChallengeName,
			Session,
			ChallengeResponses: { USERNAME: Username, NEW_PASSWORD: Password },
		}),
	);
	t.truthy(AuthenticationResult);
});

test("an account that does not exist is not found", async (t) => {
	const Username = "nobody@example.com";
	const update = new AdminUpdateUserAttributesCommand({ UserPoolId, Username, UserAttributes: [] });
	await t.throwsAsync(cognito.send(update), { name: "UserNotFoundException" });
});

test("accounts are listed by the page", async (t) => {
	await signUp("first@example.com");
	await signUp("second@example.com");
	const Limit = 1;
	const { Users: [first] = [], PaginationToken } = await cognito.send(
		new ListUsersCommand({ UserPoolId, Limit }),
	);
	const { Users: [second] = [] } = await cognito.send(
		new ListUsersCommand({ UserPoolId, Limit, PaginationToken }),
	);
	t.truthy(second);
	t.notDeepEqual(first, second);
});
