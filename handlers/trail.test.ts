import { randomUUID } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import test from "ava";
import { createUsers, openTable, parseChange, type Users } from "../domain";
import type { Stack } from "../local/stack";
import { People } from "../testing/people";
import { startTestStack } from "../testing/testStack";

// What changes in Cognito is followed where the account has a trail, with no sign-in.

let stack: Stack;
let people: People;
let users: Users;

test.before(async () => {
	stack = await startTestStack();
	people = new People(stack);
	users = createUsers(
		openTable({
			tableName: String(stack.outputs.tableName),
			client: new DynamoDBClient(stack.clientOptions),
		}),
	);
});
test.after.always(() => stack.close());

const someone = () => `Someone.${randomUUID()}@Example.com`;

/** Signs up and confirms, until all is recorded; answers the sub. */
async function join(email: string, attributes?: Record<string, string>): Promise<string> {
	const sub = await people.signUp(email, attributes);
	await people.confirm(email);
	await stack.settled();
	return sub;
}

const profile = async (sub: string) => (await users.findBySub(sub))._unsafeUnwrap();

/** What the bus was told of somebody's profile. */
const changes = (sub: string) =>
	stack
		.events()
		.flatMap((event) => parseChange(event).unwrapOr([]))
		.filter(({ user }) => user.sub === sub);

test("the profile of a person who deletes their own account is removed", async (t) => {
	const email = someone();
	const sub = await join(email);
	await people.deleteOwn(email);
	await stack.settled();
	t.is((await users.findBySub(sub))._unsafeUnwrapErr().type, "UserNotFound");
});

test("the profile of an account that an administrator deletes is removed", async (t) => {
	const email = someone();
	const sub = await join(email);
	await people.delete(email);
	await stack.settled();
	t.is((await users.findBySub(sub))._unsafeUnwrapErr().type, "UserNotFound");
});

test("an account that an administrator made is recorded when its password is set for good", async (t) => {
	const email = someone();
	const sub = await people.create(email);
	await stack.settled();
	t.is((await users.findBySub(sub))._unsafeUnwrapErr().type, "UserNotFound");
	await people.setPassword(sub);
	await stack.settled();
	const user = await profile(sub);
	t.like(user, { email, emailVerified: true });
	t.is((await people.attributes(sub))["custom:userId"], user.userId);
});

test("what an administrator changes of an account is in the profile", async (t) => {
	const email = someone();
	const sub = await join(email, { name: "Ada Byron" });
	const newEmail = someone();
	await people.change(sub, { name: "Ada Lovelace", email: newEmail, email_verified: "false" });
	await stack.settled();
	t.like(await profile(sub), { name: "Ada Lovelace", email: newEmail, emailVerified: false });
	await people.change(sub, { email_verified: "true" });
	await stack.settled();
	t.like((await users.findByEmail(newEmail))._unsafeUnwrap(), { sub, emailVerified: true });
	t.is((await users.findByEmail(email))._unsafeUnwrapErr().type, "UserNotFound");
});

test("an email that a person changes is in the profile once it is verified, and not before", async (t) => {
	const email = someone();
	const sub = await join(email);
	const newEmail = someone();
	await people.changeEmail(email, newEmail);
	await stack.settled();
	t.like(await profile(sub), { email, emailVerified: true });
	await people.verifyEmail(email, newEmail);
	await stack.settled();
	t.like(await profile(sub), { email: newEmail, emailVerified: true });
});

test("a sign-up whose event was lost is recorded", async (t) => {
	const email = someone();
	const lift = stack.fault({
		service: "events",
		caller: "postConfirmation",
		about: email,
		kind: "throttle",
	});
	const sub = await join(email);
	lift();
	t.like(await profile(sub), { email });
});

test("the record of the link that recordUser writes leads to no other write", async (t) => {
	const email = someone();
	const writes: string[] = [];
	const stop = stack.onCall(({ caller, operation, body }) => {
		// What a subscriber writes beside the profile is its own.
		if (caller !== "recordUser") return;
		if (/^(Put|Update|Delete)Item$|^AdminUpdateUser/.test(operation)) {
			if (JSON.stringify(body).includes(sub)) writes.push(operation);
		}
	});
	const sub = await people.signUp(email);
	await people.confirm(email);
	await stack.settled();
	stop();
	// The event and the record of the confirmation may have come at once, each to a new account.
	t.deepEqual([...new Set(writes)].sort(), ["AdminUpdateUserAttributes", "PutItem"]);
	t.true(writes.length <= 4, writes.join());
});

test("each change of a profile is told once, in order, numbered, with what has changed and the user as it is", async (t) => {
	const email = someone();
	const sub = await join(email, { name: "Ada Byron" });
	const created = await profile(sub);
	await people.change(sub, { name: "Ada Lovelace" });
	await stack.settled();
	const renamed = await profile(sub);
	const displayed = (await users.update(sub, { displayName: "Ada" }))._unsafeUnwrap();
	// It changes nothing but when it was written.
	(await users.update(sub, { displayName: "Ada" }))._unsafeUnwrap();
	await people.delete(sub);
	await stack.settled();

	const told = changes(sub);
	t.like(told, [
		{ type: "UserCreated", user: created },
		{ type: "UserUpdated", user: renamed, changed: ["name"] },
		{ type: "UserUpdated", user: displayed, changed: ["displayName"] },
		{ type: "UserRemoved", user: { sub, name: "Ada Lovelace", displayName: "Ada" } },
	]);
	t.is(told.length, 4);
	const sequences = told.map(({ sequence }) => sequence);
	t.deepEqual(sequences, [...new Set(sequences)].sort());
});
