import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import test from "ava";
import { createUsers, openTable, type Users } from "../domain";
import type { Stack } from "../local/stack";
import { comparePoolAndTable } from "../testing/comparePoolAndTable";
import { People } from "../testing/people";
import { startTestStack } from "../testing/testStack";

// What becomes of somebody who would rather be somebody else, by the one attribute that says who somebody is.
for (const writeMode of ["event", "immediate"] as const) {
	let stack: Stack;
	let people: People;
	let users: Users;
	/** The link of somebody else. */
	let stolen: { "custom:userId": string };

	test.before(async () => {
		stack = await startTestStack({ writeMode });
		people = new People(stack);
		const tableName = String(stack.outputs.tableName);
		users = createUsers(openTable({ tableName, client: new DynamoDBClient(stack.clientOptions) }));
		const sub = await people.signUp("ada@example.com");
		await people.confirm("ada@example.com");
		await stack.settled();
		stolen = { "custom:userId": (await users.findBySub(sub))._unsafeUnwrap().userId };
	});
	test.after.always(() => stack.close());

	// An app client writes no attribute but those that it is given, at sign-up and later; the error is NotAuthorizedException:
	// https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html (Attribute permissions and scopes)
	// https://github.com/aws/aws-sdk-js/issues/1084
	test.serial(`${writeMode} mode: who signs up with another's link is refused`, async (t) => {
		const email = "eve@example.com";
		await t.throwsAsync(people.signUp(email, stolen), { name: "NotAuthorizedException" });
		await t.throwsAsync(people.attributes(email), { name: "UserNotFoundException" });
	});

	test.serial(`${writeMode} mode: who takes another's link later is refused`, async (t) => {
		const email = "mallory@example.com";
		await people.signUp(email);
		await people.confirm(email);
		await stack.settled();
		await t.throwsAsync(people.changeOwn(email, stolen), { name: "NotAuthorizedException" });
		await t.notThrowsAsync(people.changeOwn(email, { name: "Mallory" }));
		await people.signIn(email);
		await stack.settled();
		t.like((await users.findByEmail(email))._unsafeUnwrap(), { name: "Mallory" });
		t.deepEqual((await comparePoolAndTable(stack)).wrong, []);
	});

	for (const profile of ["before", "after"] as const) {
		test.serial(
			`${writeMode} mode: another's link that arrives ${profile} the profile is overwritten, and the user has an id of their own`,
			async (t) => {
				const email = `${profile}@example.com`;
				const sub = await people.create(email);
				if (profile === "after") await people.signIn(email);
				await stack.settled();
				const had = await users.findBySub(sub);
				await people.change(email, stolen);
				await people.signIn(email);
				await stack.settled();

				const claimed = writeMode === "event" && { userId: stolen["custom:userId"] };
				t.like(
					stack.events().findLast(({ detail }) => "identity" in Object(detail)),
					{ detail: { identity: { sub }, ...claimed } },
				);
				const { userId } = (await users.findBySub(sub))._unsafeUnwrap();
				t.not(userId, stolen["custom:userId"]);
				if (had.isOk()) t.is(userId, had.value.userId);
				t.deepEqual((await comparePoolAndTable(stack)).wrong, []);
			},
		);
	}
}
