import test, { type ExecutionContext } from "ava";
import { Amplify } from "aws-amplify";
import {
	confirmResetPassword,
	confirmSignIn,
	confirmSignUp,
	deleteUser,
	fetchAuthSession,
	fetchUserAttributes,
	getCurrentUser,
	resendSignUpCode,
	resetPassword,
	signIn,
	signOut,
	signUp,
	updateUserAttributes,
} from "aws-amplify/auth";
import { JwtVerifier } from "aws-jwt-verify";
import { startTestStack } from "../testing/testStack";
import type { Stack } from "./stack";

// Amplify itself, as in a browser's application; it keeps one session for the whole process, so that one test runs after another.

const password = "Analytical-1843";
const newPassword = "Difference-1822";
let stack: Stack;

test.before(async () => {
	stack = await startTestStack();
	const { userPoolId = "", userPoolClientId = "" } = stack.outputs;
	Amplify.configure({
		Auth: { Cognito: { userPoolId, userPoolClientId, userPoolEndpoint: stack.endpoint } },
	});
});
test.after.always(() => stack.close());
test.afterEach.always(() => signOut());

const code = (email: string) => stack.codeFor(email) ?? "";

async function register(username: string) {
	const options = { userAttributes: { email: username, name: "Ada Lovelace" } };
	await signUp({ username, password, options });
	await confirmSignUp({ username, confirmationCode: code(username) });
	await stack.settled();
}

/** Both tokens that a person is signed in with, as text. Rejects if there are none. */
async function tokens(options = {}) {
	const { tokens } = await fetchAuthSession(options);
	if (!tokens?.idToken) throw new Error("Nobody is signed in.");
	return { id: String(tokens.idToken), access: String(tokens.accessToken) };
}

/** What the pool answers to a call of one of its public operations. */
async function call(operation: string, body: object, headers: Record<string, string> = {}) {
	const response = await fetch(stack.endpoint, {
		method: "POST",
		headers: { "x-amz-target": `AWSCognitoIdentityProviderService.${operation}`, ...headers },
		body: JSON.stringify(body),
	});
	return { response, answer: Object(await response.json()) };
}

const ways = [
	["Amplify's default, SRP", {}],
	["USER_PASSWORD_AUTH", { authFlowType: "USER_PASSWORD_AUTH" }],
] as const;

for (const [way, options] of ways) {
	test.serial(
		`a person signs up, confirms and signs in by ${way}, and is told by custom:userId`,
		async (t) => {
			const username = `ada-${ways.findIndex(([each]) => each === way)}@example.com`;
			await register(username);
			const wrong = { name: "NotAuthorizedException", message: "Incorrect username or password." };
			await t.throwsAsync(signIn({ username, password: newPassword, options }), wrong);
			await t.throwsAsync(signIn({ username: "nobody@example.com", password, options }), wrong);
			const { isSignedIn } = await signIn({ username, password, options });
			t.true(isSignedIn);
			const { userSub, tokens } = await fetchAuthSession();
			t.is((await getCurrentUser()).userId, userSub ?? "");
			t.regex(String(tokens?.idToken?.payload["custom:userId"]), /^[\da-f-]{36}$/);
		},
	);

	test.serial(
		`a person who was invited chooses a password when signing in by ${way}, and stays signed in`,
		async (t) => {
			const username = `invited-${ways.findIndex(([each]) => each === way)}@example.com`;
			await invite(username);
			const { nextStep } = await signIn({ username, password: code(username), options });
			t.is(nextStep.signInStep, "CONFIRM_SIGN_IN_WITH_NEW_PASSWORD_REQUIRED");
			t.true((await confirmSignIn({ challengeResponse: password })).isSignedIn);
			const before = await tokens();
			t.not((await tokens({ forceRefresh: true })).access, before.access);
		},
	);
}

/** An administrator makes an account. */
async function invite(Username: string): Promise<void> {
	const UserPoolId = stack.outputs.userPoolId;
	const authorization = "AWS4-HMAC-SHA256 Credential=local/";
	await call("AdminCreateUser", { UserPoolId, Username }, { authorization });
}

test.serial(
	"a person who has lost the code gets another, and the first holds no more",
	async (t) => {
		const username = "losing@example.com";
		await signUp({ username, password, options: { userAttributes: { email: username } } });
		const lost = code(username);
		// One in a million is the same.
		while (code(username) === lost) await resendSignUpCode({ username });
		const confirm = (confirmationCode: string) => confirmSignUp({ username, confirmationCode });
		await t.throwsAsync(confirm(lost), { name: "CodeMismatchException" });
		t.true((await confirm(code(username))).isSignUpComplete);
		await t.throwsAsync(resendSignUpCode({ username }), { message: "User is already confirmed." });
	},
);

test.serial("a person changes attributes, which a refreshed token shows", async (t) => {
	const username = "changing@example.com";
	await register(username);
	await signIn({ username, password });
	const first = await fetchAuthSession();
	await updateUserAttributes({ userAttributes: { name: "Countess of Lovelace" } });
	t.like(await fetchUserAttributes(), { name: "Countess of Lovelace", email: username });
	const refreshed = await fetchAuthSession({ forceRefresh: true });
	t.not(String(refreshed.tokens?.accessToken), String(first.tokens?.accessToken));
	for (const claim of ["origin_jti", "auth_time", "custom:userId"]) {
		const [before, after] = [first, refreshed].map((each) => each.tokens?.idToken?.payload[claim]);
		t.truthy(before);
		t.is(after, before);
	}
});

test.serial(
	"a person who has forgotten the password sets another with the code from the mail",
	async (t) => {
		const username = "forgetting@example.com";
		await register(username);
		await resetPassword({ username });
		await confirmResetPassword({ username, newPassword, confirmationCode: code(username) });
		await t.throwsAsync(signIn({ username, password }), { name: "NotAuthorizedException" });
		t.true((await signIn({ username, password: newPassword })).isSignedIn);
	},
);

test.serial("a person who has deleted the account cannot sign in any more", async (t) => {
	const username = "leaving@example.com";
	await register(username);
	await signIn({ username, password });
	await deleteUser();
	await t.throwsAsync(signIn({ username, password }), { name: "NotAuthorizedException" });
});

/** Signs a person in once more, beside Amplify; answers what Cognito answers. */
async function anotherSignIn(USERNAME: string) {
	const ClientId = stack.outputs.userPoolClientId;
	const AuthParameters = { USERNAME, PASSWORD: password };
	const request = { ClientId, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters };
	return (await call("InitiateAuth", request)).answer.AuthenticationResult;
}

async function assertRevoked(t: ExecutionContext, tokens: Record<string, string>) {
	const [AccessToken, RefreshToken] = [tokens.AccessToken, tokens.RefreshToken];
	const ClientId = stack.outputs.userPoolClientId;
	const AuthParameters = { REFRESH_TOKEN: RefreshToken };
	for (const [operation, request, which] of [
		["GetUser", { AccessToken }, "Access"],
		["GetTokensFromRefreshToken", { ClientId, RefreshToken }, "Refresh"],
		["InitiateAuth", { ClientId, AuthFlow: "REFRESH_TOKEN_AUTH", AuthParameters }, "Refresh"],
	] as const) {
		const { answer } = await call(operation, request);
		const message = `${which} Token has been revoked`;
		t.like(answer, { __type: "NotAuthorizedException", message }, operation);
	}
}

test.serial(
	"signing out revokes the tokens of that sign-in, signing out globally those of all",
	async (t) => {
		const username = "signing-out@example.com";
		await register(username);
		const ClientId = stack.outputs.userPoolClientId;
		const [phone, tablet] = [await anotherSignIn(username), await anotherSignIn(username)];
		await call("RevokeToken", { ClientId, Token: phone.RefreshToken });
		await assertRevoked(t, phone);
		const again = await call("RevokeToken", { ClientId, Token: phone.RefreshToken });
		t.is(again.response.status, 200, "as often as one likes");
		const mistaken = await call("RevokeToken", { ClientId, Token: phone.AccessToken });
		t.is(mistaken.answer.__type, "UnsupportedTokenTypeException");
		const { answer } = await call("GetUser", { AccessToken: tablet.AccessToken });
		t.truthy(answer.Username, "another sign-in goes on");

		await signIn({ username, password });
		const { access: AccessToken } = await tokens();
		await signOut();
		const own = await call("GetUser", { AccessToken });
		t.is(own.answer.message, "Access Token has been revoked");
		await t.throwsAsync(getCurrentUser(), { name: "UserUnAuthenticatedException" });

		await signIn({ username, password });
		await signOut({ global: true });
		await assertRevoked(t, tablet);
		t.true((await signIn({ username, password })).isSignedIn);
	},
);

test.serial("the tokens verify against the keys that the OpenID configuration names", async (t) => {
	const username = "verified@example.com";
	await register(username);
	await signIn({ username, password });
	const { issuer = "", userPoolClientId: audience = "" } = stack.outputs;
	const configuration = await fetch(`${issuer}/.well-known/openid-configuration`);
	const discovered = Object(await configuration.json());
	t.is(discovered.issuer, issuer);
	const keys = await (await fetch(discovered.jwks_uri)).json();
	const forIdTokens = JwtVerifier.create({ issuer, audience, jwksUri: discovered.jwks_uri });
	// An access token of Cognito's has no audience.
	const forAccessTokens = JwtVerifier.create({ issuer, audience: null });
	for (const verifier of [forIdTokens, forAccessTokens]) verifier.cacheJwks(Object(keys));
	const { id, access } = await tokens();
	t.is((await forIdTokens.verify(id)).email, username);
	t.like(await forAccessTokens.verify(access), { token_use: "access", client_id: audience });
	const forged = [id.split(".")[0], access.split(".")[1], id.split(".")[2]].join(".");
	await t.throwsAsync(forAccessTokens.verify(forged), { message: "Invalid signature" });
	t.is((await fetch(`${stack.endpoint}/other/.well-known/jwks.json`)).status, 404);
});

/** What a browser asks before a page calls, and what it lets the page read then. */
async function fromPage(target: string, body: object, headers: Record<string, string> = {}) {
	const origin = "http://localhost:5173";
	const asked = await fetch(stack.endpoint, {
		method: "OPTIONS",
		headers: {
			origin,
			"access-control-request-method": "POST",
			"access-control-request-headers": "cache-control,content-type,x-amz-target,x-amz-user-agent",
		},
	});
	const answered = await fetch(stack.endpoint, {
		method: "POST",
		headers: { origin, "x-amz-target": target, ...headers },
		body: JSON.stringify(body),
	});
	return { asked, answered, answer: Object(await answered.json()) };
}

test("a page of any origin may call Cognito, and read what it answers", async (t) => {
	const ClientId = stack.outputs.userPoolClientId;
	const AuthParameters = { USERNAME: "nobody@example.com", PASSWORD: password };
	const { asked, answered, answer } = await fromPage(
		"AWSCognitoIdentityProviderService.InitiateAuth",
		{ ClientId, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters },
	);
	t.is(asked.status, 204);
	t.is(asked.headers.get("access-control-allow-origin"), "*");
	t.is(asked.headers.get("access-control-allow-headers"), "*");
	t.is(answered.headers.get("access-control-allow-origin"), "*");
	t.is(answer.__type, "NotAuthorizedException");
	const keys = await fetch(`${stack.outputs.issuer}/.well-known/jwks.json`);
	t.is(keys.headers.get("access-control-allow-origin"), "*");
});

for (const [what, target, request] of [
	["the table", "DynamoDB_20120810.Scan", () => ({ TableName: stack.outputs.tableName })],
	[
		"what an administrator may",
		"AWSCognitoIdentityProviderService.ListUsers",
		() => ({ UserPoolId: stack.outputs.userPoolId }),
	],
] as const) {
	test(`a page of another site does not reach ${what}, even with a key`, async (t) => {
		const authorization = "AWS4-HMAC-SHA256 Credential=local/";
		const { answered, answer } = await fromPage(target, request(), { authorization });
		t.is(answered.status, 400);
		t.is(answer.__type, "MissingAuthenticationTokenException");
		const allowed = answered.headers.get("access-control-allow-origin");
		t.is(allowed, target.startsWith("DynamoDB") ? null : "*");
	});
}
