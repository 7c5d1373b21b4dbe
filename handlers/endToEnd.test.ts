import { randomUUID } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import test, { type ImplementationFn } from "ava";
import { createUsers, openTable, type Users } from "../domain";
import { type Stack, startStack } from "../local/stack";
import { People } from "../testing/people";
import { withoutTrail } from "../testing/programs";
import { testProgram } from "../testing/testStack";

const someone = () => `Someone.${randomUUID()}@Example.com`;

for (const writeMode of ["event", "immediate"] as const) {
	let stack: Stack;
	let people: People;
	let users: Users;
	test.before(async () => {
		stack = await startStack({ program: withoutTrail(await testProgram({ writeMode })) });
		people = new People(stack);
		users = createUsers(
			openTable({
				tableName: String(stack.outputs.tableName),
				client: new DynamoDBClient(stack.clientOptions),
			}),
		);
	});
	test.after.always(() => stack.close());

	/** Signs up and confirms, until all is recorded; answers the sub. */
	async function join(email: string, attributes?: Record<string, string>): Promise<string> {
		const sub = await people.signUp(email, attributes);
		await people.confirm(email);
		await stack.settled();
		return sub;
	}

	const link = async (email: string) => (await people.attributes(email))["custom:userId"];

	// One at a time, or each would wait for processes of its own to start, and a trigger no longer than Cognito lets it.
	const it = (title: string, implementation: ImplementationFn<[]>) =>
		test.serial(`${writeMode} mode: ${title}`, implementation);

	it("a person who signs up and confirms is found by sub and by email, and linked", async (t) => {
		const email = someone();
		const sub = await people.signUp(email, { name: "Ada Lovelace", given_name: "Ada" });
		t.is((await users.findBySub(sub))._unsafeUnwrapErr().type, "UserNotFound");
		await people.confirm(email);
		await stack.settled();
		const user = (await users.findBySub(sub))._unsafeUnwrap();
		t.like(user, { sub, email, emailVerified: true, name: "Ada Lovelace", givenName: "Ada" });
		t.deepEqual((await users.findByUserId(user.userId))._unsafeUnwrap(), user);
		for (const typed of [email, email.toLowerCase(), email.toUpperCase()]) {
			t.deepEqual((await users.findByEmail(typed))._unsafeUnwrap(), user);
		}
		t.is(await link(email), user.userId);
	});

	it("a person whom an administrator confirms is recorded", async (t) => {
		const email = someone();
		const sub = await people.signUp(email);
		await people.approve(email);
		await stack.settled();
		const user = (await users.findBySub(sub))._unsafeUnwrap();
		t.like(user, { email, emailVerified: false });
		t.is(await link(email), user.userId);
	});

	it("a forgotten password that is confirmed records nothing", async (t) => {
		const email = someone();
		const sub = await people.create(email);
		await people.forgetPassword(email);
		await stack.settled();
		t.is((await users.findBySub(sub))._unsafeUnwrapErr().type, "UserNotFound");
	});

	it("an account that an administrator made is recorded at its first sign-in", async (t) => {
		const email = someone();
		const sub = await people.create(email);
		await stack.settled();
		t.is((await users.findBySub(sub))._unsafeUnwrapErr().type, "UserNotFound");
		await people.signIn(email);
		await stack.settled();
		const user = (await users.findBySub(sub))._unsafeUnwrap();
		t.like(user, { email, emailVerified: true });
		t.is(await link(email), user.userId);
	});

	it("what changed in Cognito is recorded at the next sign-in, and what the application owns stays", async (t) => {
		const email = someone();
		const sub = await join(email, { name: "Ada Byron" });
		const before = (await users.update(sub, { displayName: "Ada" }))._unsafeUnwrap();
		const newEmail = someone();
		await people.change(email, {
			name: "Ada Lovelace",
			email: newEmail,
			email_verified: "true",
		});
		await people.signIn(newEmail);
		await stack.settled();
		t.like((await users.findByEmail(newEmail))._unsafeUnwrap(), {
			sub,
			name: "Ada Lovelace",
			displayName: "Ada",
			userId: before.userId,
			createdAt: before.createdAt,
		});
		t.is((await users.findByEmail(email))._unsafeUnwrapErr().type, "UserNotFound");
	});

	it("a profile that was lost comes back at the next sign-in, under the userId that tokens carry", async (t) => {
		const email = someone();
		const sub = await join(email);
		const { userId } = (await users.findBySub(sub))._unsafeUnwrap();
		await users.remove(sub);
		await people.signIn(email);
		await stack.settled();
		t.like((await users.findByUserId(userId))._unsafeUnwrap(), { sub, email });
		t.is(await link(email), userId);
	});

	it("a second sign-up with the same email in another case is refused, and the first profile stays", async (t) => {
		const email = someone();
		const sub = await join(email);
		await t.throwsAsync(people.signUp(email.toUpperCase()), { name: "UsernameExistsException" });
		await stack.settled();
		t.like((await users.findByEmail(email.toLowerCase()))._unsafeUnwrap(), { sub, email });
	});

	it("the token of a fresh sign-in carries the userId, and so does its event", async (t) => {
		const email = someone();
		const sub = await join(email);
		const { userId } = (await users.findBySub(sub))._unsafeUnwrap();
		t.like(await people.signIn(email), { sub, "custom:userId": userId });
		const event = stack.events().findLast(({ detail }) => Object(detail).identity?.sub === sub);
		t.like(event, {
			source: "user-profiles",
			"detail-type": "UserAuthenticated",
			detail: { version: 1, userId },
		});
	});

	it("what is logged names nobody but by sub", async (t) => {
		const email = someone();
		const sub = await join(email, { name: "Ada Lovelace" });
		const logs = ["postConfirmation", "postAuthentication", "recordUser"]
			.flatMap((name) => stack.logs(name))
			.join("\n");
		t.true(logs.includes(sub));
		t.false(/Ada|@/.test(logs), logs);
	});

	it("the profile is written before the event is published only in immediate mode", async (t) => {
		const email = someone();
		const sub = await people.signUp(email);
		const calls: string[] = [];
		const stop = stack.onCall(({ operation, body }) => {
			if (JSON.stringify(body).includes(sub)) calls.push(operation);
		});
		await people.confirm(email);
		t.is((await users.findBySub(sub)).isOk() || writeMode === "event", true);
		await stack.settled();
		stop();
		// On a busy machine, a call may be tried again.
		const [first] = calls.filter((operation) => ["PutItem", "PutEvents"].includes(operation));
		t.is(first, { event: "PutEvents", immediate: "PutItem" }[writeMode]);
	});
}
