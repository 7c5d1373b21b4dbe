import { join } from "node:path";
import {
	AdminConfirmSignUpCommand,
	AdminCreateUserCommand,
	AdminGetUserCommand,
	AdminUpdateUserAttributesCommand,
	CognitoIdentityProviderClient,
	ConfirmSignUpCommand,
	DescribeUserPoolCommand,
	InitiateAuthCommand,
	ListUsersCommand,
	RespondToAuthChallengeCommand,
	SignUpCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { PurgeQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import test from "ava";
import { evaluateOnce } from "../../testing/evaluateOnce";
import { People } from "../../testing/people";
import { type Stack, startStack } from "../stack";
import type { Mail } from "./cognitoMails";

// Where cognito-local alone would answer otherwise than AWS.

let stack: Stack;
let cognito: CognitoIdentityProviderClient;
let UserPoolId: string | undefined;
let ClientId: string | undefined;
const Password = "Correct-Horse-7";

let people: People;

test.before(async () => {
	const directory = join(__dirname, "../../testing/secondProgram");
	stack = await startStack({ program: await evaluateOnce({ directory }) });
	cognito = new CognitoIdentityProviderClient(stack.clientOptions);
	people = new People(stack);
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

test("a password that the pool's policy does not allow is refused", async (t) => {
	const Username = "weak@example.com";
	for (const [weak, why] of [
		["Short-1", "not long enough"],
		["ANALYTICAL-1843", "must have lowercase characters"],
		["analytical-1843", "must have uppercase characters"],
		["Analytical-Engine", "must have numeric characters"],
		["Analytical1843", "must have symbol characters"],
	]) {
		await t.throwsAsync(cognito.send(new SignUpCommand({ ClientId, Username, Password: weak })), {
			name: "InvalidPasswordException",
			message: `Password did not conform with policy: Password ${why}`,
		});
	}
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

test("the temporary password of an account made by an administrator comes in a mail, unless that is suppressed", async (t) => {
	const [invited, silent] = ["Invited@example.com", "silent@example.com"];
	await cognito.send(new AdminCreateUserCommand({ UserPoolId, Username: invited }));
	t.is((await signIn(invited, stack.codeFor(invited))).ChallengeName, "NEW_PASSWORD_REQUIRED");
	const MessageAction = "SUPPRESS";
	await cognito.send(new AdminCreateUserCommand({ UserPoolId, Username: silent, MessageAction }));
	t.is(stack.codeFor(silent), undefined);
});

test("a client signs in only by the flows that it allows", async (t) => {
	const AuthParameters = { USERNAME: "ada@example.com", SRP_A: "2" };
	const bySrp = new InitiateAuthCommand({ ClientId, AuthFlow: "USER_SRP_AUTH", AuthParameters });
	await t.throwsAsync(cognito.send(bySrp), {
		name: "InvalidParameterException",
		message: "USER_SRP_AUTH flow not enabled for this client",
	});
});

test("every mail can be read, newest last: to whom, what for, and the code", async (t) => {
	const [email, changed, invited] = ["Mailed@example.com", "New@example.com", "asked@example.com"];
	const told: Mail[] = [];
	const stop = stack.onMail((mail) => told.push(mail));
	await people.signUp(email);
	await people.confirm(email);
	await people.forgetPassword(email);
	await people.changeEmail(email, changed);
	await cognito.send(new AdminCreateUserCommand({ UserPoolId, Username: invited }));
	stop();
	await people.signUp("afterwards@example.com");
	const expected = [
		[email, "SignUp"],
		[email, "ForgotPassword"],
		[changed, "UpdateUserAttribute"],
		[invited, "AdminCreateUser"],
	];
	for (const mails of [told, stack.mails()]) {
		const ours = mails.filter(({ to }) => expected.some(([address]) => address === to));
		t.deepEqual(
			ours.map(({ to, kind }) => [to, kind]),
			expected,
		);
		t.is(ours.at(-1)?.code, stack.codeFor(invited));
	}
	t.false(told.some(({ to }) => to === "afterwards@example.com"));
});

test("a challenge is answered once, in the session that came with it", async (t) => {
	const USERNAME = "challenged@example.com";
	await cognito.send(new AdminCreateUserCommand({ UserPoolId, Username: USERNAME }));
	const { ChallengeName, Session } = await signIn(USERNAME, stack.codeFor(USERNAME));
	const respond = (session: string | undefined, NEW_PASSWORD: string) =>
		cognito.send(
			new RespondToAuthChallengeCommand({
				ClientId,
				ChallengeName,
				Session: session,
				ChallengeResponses: { USERNAME, NEW_PASSWORD },
			}),
		);
	await t.throwsAsync(respond("made-up", "Stolen-Horse-7"), {
		name: "NotAuthorizedException",
		message: "Invalid session for the user.",
	});
	await respond(Session, Password);
	await t.throwsAsync(respond(Session, "Stolen-Horse-7"), {
		name: "NotAuthorizedException",
		message: "Invalid session for the user, session can only be used once.",
	});
	t.truthy((await signIn(USERNAME)).AuthenticationResult);
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

test("an email that a person changes stays the old one until the new one is verified", async (t) => {
	const [email, newEmail] = ["before@example.com", "After@example.com"];
	await people.admit(email);
	await people.changeEmail(email, newEmail);
	t.like(await attributesOf(email), { email, email_verified: "true" });
	await t.throwsAsync(signIn(newEmail), { name: "NotAuthorizedException" });
	await people.verifyEmail(email, newEmail);
	t.like(await attributesOf(newEmail), { email: newEmail, email_verified: "true" });
	await t.throwsAsync(attributesOf(email), { name: "UserNotFoundException" });
});

test("an email that another account has by now cannot be verified", async (t) => {
	const [email, taken] = ["late@example.com", "taken@example.com"];
	await people.admit(email);
	await people.changeEmail(email, taken);
	await people.admit(taken);
	await t.throwsAsync(people.verifyEmail(email, "Taken@example.com"), {
		name: "AliasExistsException",
	});
	t.like(await attributesOf(email), { email, email_verified: "true" });
});

test("an administrator says whether an email is verified without repeating it", async (t) => {
	const email = "unproved@example.com";
	await people.signUp(email);
	await people.approve(email);
	await people.change(email, { email_verified: "true" });
	t.like(await attributesOf(email), { email, email_verified: "true" });
	await people.change(email, { email_verified: "false" });
	t.like(await attributesOf(email), { email, email_verified: "false" });
});

test("a person deletes their own account, and an administrator's permanent password confirms one", async (t) => {
	const email = "leaving@example.com";
	await people.create(email);
	await people.setPassword(email);
	await people.deleteOwn(email);
	await t.throwsAsync(attributesOf(email), { name: "UserNotFoundException" });
});

test("an account of an identity provider is found by its username, and by its sub in a list alone", async (t) => {
	const email = "federated@example.com";
	const sub = await stack.federate("Google_1234", email);
	t.like(await attributesOf("Google_1234"), { sub, email });
	await t.throwsAsync(attributesOf(sub), { name: "UserNotFoundException" });
	await t.throwsAsync(attributesOf(email), { name: "UserNotFoundException" });
	const own = await people.admit(email);
	t.like(await attributesOf(email), { sub: own }, "a person's own account may have its email");
	const { Users = [] } = await cognito.send(
		new ListUsersCommand({ UserPoolId, Filter: `sub = "${sub}"` }),
	);
	t.deepEqual(
		Users.map(({ Username, UserStatus }) => [Username, UserStatus]),
		[["Google_1234", "EXTERNAL_PROVIDER"]],
	);
});

/** What CloudTrail tells of the calls that some work makes. */
async function trailOf(work: (people: People, stack: Stack) => Promise<unknown>) {
	const own = await startStack({ program: stack.program });
	try {
		const QueueUrl = own.outputs.heardQueueUrl;
		const sqs = new SQSClient(own.clientOptions);
		await work(new People(own), own);
		await own.settled();
		const { Messages = [] } = await sqs.send(
			new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 100 }),
		);
		await sqs.send(new PurgeQueueCommand({ QueueUrl }));
		return Messages.map(({ Body = "" }) => JSON.parse(Body));
	} finally {
		await own.close();
	}
}

const email = "ada@example.com";
const newEmail = "lovelace@example.com";

for (const [what, work, expected] of [
	[
		"a sign-up",
		async (people) => {
			const sub = await people.signUp(email);
			await people.confirm(email);
			await people.signIn(email);
			await people.forgetPassword(email);
			return sub;
		},
		["SignUp", "ConfirmSignUp", "ForgotPassword", "ConfirmForgotPassword"],
	],
	[
		"an administrator's doings",
		async (people) => {
			const sub = await people.admit(email);
			await people.change(email, { name: "Ada" });
			await people.attributes(email);
			await people.delete(email);
			return sub;
		},
		["AdminCreateUser", "AdminSetUserPassword", "AdminUpdateUserAttributes", "AdminDeleteUser"],
	],
	[
		"a person's own doings",
		async (people) => {
			const sub = await people.create(email);
			await people.changeOwn(email, { name: "Ada" });
			await people.changeEmail(email, newEmail);
			await people.verifyEmail(email, newEmail);
			await people.deleteOwn(newEmail);
			return sub;
		},
		[
			"AdminCreateUser",
			"RespondToAuthChallenge",
			"UpdateUserAttributes",
			"UpdateUserAttributes",
			"VerifyUserAttribute",
			"DeleteUser",
		],
	],
] satisfies [string, (people: People) => Promise<string>, string[]][]) {
	test(`CloudTrail tells of ${what}, with the sub, and of nothing that only reads`, async (t) => {
		let sub = "";
		const records = await trailOf(async (people) => {
			sub = await work(people);
		});
		t.deepEqual(
			records.map(({ detail }) => [detail.eventName, detail.additionalEventData.sub]),
			expected.map((eventName) => [eventName, sub]),
		);
		t.true(records.every(({ detail }) => detail.errorCode === undefined));
		t.false(JSON.stringify(records).includes("@"), "it shows no email");
	});
}

test("CloudTrail's record is as on AWS, and names the pool where the call does", async (t) => {
	const [admin, own] = await trailOf(async (people) => {
		await people.create(email);
		await people.deleteOwn(email);
	}).then((records) => [records[0], records.at(-1)]);
	t.like(admin, {
		source: "aws.cognito-idp",
		"detail-type": "AWS API Call via CloudTrail",
		detail: {
			eventSource: "cognito-idp.amazonaws.com",
			requestParameters: {
				userPoolId: UserPoolId,
				username: "HIDDEN_DUE_TO_SECURITY_REASONS",
			},
			responseElements: null,
			readOnly: false,
			eventType: "AwsApiCall",
			recipientAccountId: "123456789012",
		},
	});
	t.deepEqual(own.detail.requestParameters, {});
});

test("CloudTrail tells of a refused call, with its error", async (t) => {
	const records = await trailOf(async (people) => {
		await people.admit(email);
		await t.throwsAsync(people.changeOwn(email, { "custom:plan": "gold" }));
		await t.throwsAsync(people.delete("nobody@example.com"));
	});
	t.deepEqual(
		records.slice(2).map(({ detail }) => [detail.eventName, detail.errorCode]),
		[
			["UpdateUserAttributes", "NotAuthorizedException"],
			["AdminDeleteUser", "UserNotFoundException"],
		],
	);
	t.is(records[3].detail.additionalEventData, undefined);
});

test("a test puts a record of its own beside CloudTrail's, and no bus of the program shows either", async (t) => {
	let events: readonly unknown[] = [];
	const records = await trailOf(async (people, own) => {
		await people.create(email);
		own.trail({ eventName: "AdminDeleteUser" });
		await own.settled();
		events = own.events();
	});
	t.is(records.length, 2);
	t.like(records[1], { source: "aws.cognito-idp", detail: { eventName: "AdminDeleteUser" } });
	t.deepEqual(events, []);
});

test("a pool tells about how many accounts it has", async (t) => {
	const command = new DescribeUserPoolCommand({ UserPoolId });
	const estimate = async () => (await cognito.send(command)).UserPool?.EstimatedNumberOfUsers ?? 0;
	await signUp("estimated@example.com");
	t.true((await estimate()) >= 1);
});
