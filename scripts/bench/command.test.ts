import test from "ava";
import { startStack } from "../../local/stack";
import { withoutTrail } from "../../testing/programs";
import { testProgram } from "../../testing/testStack";
import { archiveSizes, archivesOf } from "./archives";
import { clientsPerFunction } from "./connections";
import { type Figure, isMissed } from "./figure";
import { roundTrips } from "./roundTrips";

/** What the benchmark counts, and does not time, as text: so a difference names the figure. */
const shown = (figures: readonly Figure[]) => figures.map(({ name, value }) => `${name}: ${value}`);

test("an access pattern is one round trip, and recording a user no more than three, four for a new account told of by its sub alone, or five where a profile was lost", async (t) => {
	const stack = await startStack({ program: withoutTrail(await testProgram()) });
	t.teardown(stack.close);
	const figures = await roundTrips(stack);
	t.deepEqual(shown(figures.filter(({ section }) => section === "Round trips")), [
		"register: 1",
		"register again: 1",
		"find by sub: 1",
		"find by email: 1",
		"update: 1",
		"find by userId: 1",
		"remove: 1",
		"recordUser, new, link included: 3",
		"recordUser, new at confirmation: 2",
		"recordUser, unchanged: 1",
		"recordUser, changed: 3",
		"recordUser, profile lost: 5",
		"recordUser, account gone: 3",
		"recordUser, new, of a sub alone: 4",
		"recordUser, unchanged, of a sub alone: 2",
		"recordUser, changed, of a sub alone: 3",
		"recordUser, account gone, of a sub alone: 3",
	]);
});

for (const [writeMode, expected] of [
	["event", ["postAuthentication to events", "postConfirmation to events"]],
	[
		"immediate",
		[
			"postAuthentication to dynamodb",
			"postAuthentication to events",
			"postConfirmation to cognito-idp",
			"postConfirmation to dynamodb",
			"postConfirmation to events",
		],
	],
] as const) {
	test(`in ${writeMode} mode an archive is at most 130 kB, and a function makes one client per service, whatever it is asked to do`, async (t) => {
		const stack = await startStack({ program: withoutTrail(await testProgram({ writeMode })) });
		t.teardown(stack.close);
		const sizes = archiveSizes(await archivesOf(stack.program), writeMode);
		for (const name of ["postConfirmation", "postAuthentication", "recordUser"]) {
			t.true(sizes.some((size) => size.name === `${name}, zipped` && size.limit === 130));
		}
		t.deepEqual(shown(sizes.filter(isMissed)), []);
		const clients = await clientsPerFunction(stack, { writeMode, people: 5 });
		// Of the consumers, Lambda may start a second environment when the first is slow.
		const triggers = clients.filter(({ name }) => /^post(Confirmation|Authentication) /.test(name));
		t.deepEqual(shown(triggers.filter(isMissed)), []);
		t.deepEqual(triggers.map(({ name }) => name).sort(), [...expected]);
	});
}
