import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import pMap from "p-map";
import type { Identity } from "../domain";
import { type EventEntry, parseEvent, toEventEntry } from "../domain/user/events";
import type { Fault } from "../local/faults";
import { declared, type Program } from "../local/program";
import { type Stack, startStack } from "../local/stack";
import { comparePoolAndTable } from "../testing/comparePoolAndTable";
import { deadLetters, redrive } from "../testing/deadLetters";
import { emptyStack } from "../testing/emptyStack";
import { following } from "../testing/following";
import { People } from "../testing/people";
import { tried, withoutStream, withoutTrail } from "../testing/programs";
import { publishEvents } from "../testing/publishEvents";
import { testProgram } from "../testing/testStack";

const writeModes = ["event", "immediate"] as const;
type WriteMode = (typeof writeModes)[number];

/**
 * The program as it is, but for what comes after a profile; and in each write mode one whose events are tried three times, so that
 * nobody waits for dead letters, and that hears of no trail, which would mend what these tests break.
 */
let programs: Record<WriteMode | "whole", Program>;
test.before(async () => {
	const whole = withoutStream(await testProgram({ writeMode: "event" }));
	const immediate = withoutStream(await testProgram({ writeMode: "immediate" }));
	programs = {
		whole,
		event: tried(3, withoutTrail(whole)),
		immediate: tried(3, withoutTrail(immediate)),
	};
});

/** A stack of the test's own, whose functions' processes start cold. */
async function openOwn(t: ExecutionContext, program: Program) {
	const stack = await startStack({ program });
	t.teardown(stack.close);
	return sceneOf(stack);
}

/** The stacks that no test has at the moment, each empty and with warm processes. */
const idle = new Map<keyof typeof programs, Stack>();
test.after.always(async () => {
	for (const stack of idle.values()) await stack.close();
});

/**
 * For a serial test, an empty stack that those before may have had, as to start its processes takes longer than the test: it tells
 * what happens from now on, and no fault or listener outlasts the test. After one that has failed, which may have left anything, the
 * next gets a new stack.
 */
async function open(t: ExecutionContext, name: keyof typeof programs) {
	const stack = idle.get(name) ?? (await startStack({ program: programs[name] }));
	idle.delete(name);
	const ends: (() => void)[] = [];
	t.teardown(async () => {
		for (const end of ends) end();
		try {
			if (!t.passed) return;
			await emptyStack(stack);
			idle.set(name, stack);
		} finally {
			if (!idle.has(name)) await stack.close();
		}
	});
	const endWithTest = (end: () => void) => {
		ends.push(end);
		return end;
	};
	const functions = declared(stack.program, "aws:lambda/function:Function");
	// No line comes twice: each has the id of its request.
	const logs = new Map(functions.map((fn) => [fn.name, following(() => stack.logs(fn.name))]));
	return sceneOf({
		...stack,
		events: following(stack.events),
		logs: (name) => logs.get(name)?.() ?? [],
		onCall: (listener) => endWithTest(stack.onCall(listener)),
		fault: (fault) => endWithTest(stack.fault(fault)),
	});
}

/** A stack, the email of somebody, and every userId that a function has linked, or has tried to. */
function sceneOf(stack: Stack) {
	const people = new People(stack);
	const userIds = new Set<string>();
	stack.onCall(({ operation, caller = "", body }) => {
		if (operation !== "AdminUpdateUserAttributes" || caller === "local") return;
		userIds.add(Object(body).UserAttributes[0].Value);
	});
	return { stack, people, email: "Ada@Example.com", userIds };
}

type Scene = ReturnType<typeof sceneOf>;

/**
 * A test of both write modes, one after the other, so that nothing is late because the machine is busy. With `declareOwn`, each has
 * a stack of its own: with `test`, beside the few others that wait for seconds.
 */
function inBothModes(
	title: string,
	run: (t: ExecutionContext, scene: Scene, writeMode: WriteMode) => Promise<void>,
	declareOwn?: typeof test | typeof test.serial,
): void {
	for (const writeMode of writeModes) {
		(declareOwn ?? test.serial)(`${writeMode} mode: ${title}`, async (t) => {
			const opened = declareOwn ? openOwn(t, programs[writeMode]) : open(t, writeMode);
			await run(t, await opened, writeMode);
		});
	}
}

/** That each of so many accounts has its one profile, with the first userId, and that there is no other profile. */
async function agree(t: ExecutionContext, { stack, userIds }: Scene, recorded = 1): Promise<void> {
	t.deepEqual(await comparePoolAndTable(stack), { recorded, resting: [], wrong: [] });
	t.is(userIds.size, recorded);
}

async function signUp({ people, stack, email }: Scene): Promise<string> {
	const sub = await people.signUp(email, { name: "Ada Lovelace" });
	await people.confirm(email);
	await stack.settled();
	return sub;
}

async function signIn({ people, stack, email }: Scene): Promise<void> {
	await people.signIn(email);
	await stack.settled();
}

/** What the triggers have told the bus. */
const told = (stack: Stack) => stack.events().filter((event) => parseEvent(event).isOk());

const toId = ({ id }: { readonly id: string }) => id;

/** The types of the failures that a function has logged. */
function failures(stack: Stack, name: string): string[] {
	return stack
		.logs(name)
		.filter((line) => line.startsWith("{"))
		.map((line) => JSON.parse(line))
		.filter(({ level, message }) => level === "ERROR" && message.type !== undefined)
		.map(({ message }) => message.type);
}

const confirmed = (identity: Identity) =>
	toEventEntry({ type: "UserConfirmed", account: { identity } });
const signedIn = (identity: Identity) =>
	toEventEntry({ type: "UserAuthenticated", account: { identity } });

// The event bus.

for (const [how, fault] of Object.entries<Pick<Fault, "kind">>({
	"refuses every connection": { kind: "disconnect" },
	"never answers": { kind: "hang" },
	"reports the entry as failed": { kind: "failEntries" },
})) {
	inBothModes(
		`when the event bus ${how}, the sign-up succeeds, and the next sign-in records the user`,
		async (t, scene, writeMode) => {
			const { stack } = scene;
			const lift = stack.fault({ service: "events", caller: "postConfirmation", ...fault });
			const sub = await signUp(scene);
			t.deepEqual(told(stack), []);
			t.true(failures(stack, "postConfirmation").includes("EventRejected"));
			t.deepEqual(
				await comparePoolAndTable(stack),
				writeMode === "event"
					? { recorded: 0, resting: [], wrong: [`${sub} has no profile`] }
					: { recorded: 1, resting: [], wrong: [] },
			);
			lift();
			await signIn(scene);
			await agree(t, scene);
		},
	);
}

inBothModes(
	"when the event bus is slower than a person waits, what it takes late makes one profile",
	async (t, scene) => {
		const { stack } = scene;
		const late = { kind: "delay", milliseconds: 60_000 } as const;
		const lift = stack.fault({ service: "events", caller: "postConfirmation", ...late });
		await signUp(scene);
		t.true(failures(stack, "postConfirmation").includes("EventRejected"));
		lift();
		while (told(stack).length < 2) await setTimeout(5);
		await stack.settled();
		await agree(t, scene);
	},
);

// The table.

for (const times of [2, 6]) {
	inBothModes(
		`when the table throttles the first ${times} attempts, the user is recorded by a later one`,
		async (t, scene) => {
			const { stack } = scene;
			let puts = 0;
			stack.onCall(({ operation }) => {
				if (operation === "PutItem") puts++;
			});
			stack.fault({ service: "dynamodb", kind: "throttle", times });
			await signUp(scene);
			t.true(puts > times);
			await agree(t, scene);
		},
	);
}

for (const [how, kind] of [
	["throttles", "throttle"],
	["answers 500", "fail"],
	["refuses every connection", "disconnect"],
] as const) {
	inBothModes(
		`when the table ${how} until an event is tried no more, it rests in the dead-letter queue, whole, until it is redriven`,
		async (t, scene) => {
			const { stack } = scene;
			const lift = stack.fault({ service: "dynamodb", kind });
			const sub = await signUp(scene);
			lift();
			t.deepEqual((await deadLetters(stack)).map(toId).sort(), told(stack).map(toId).sort());
			t.true(failures(stack, "recordUser").includes("StoreUnavailable"));
			t.deepEqual(await comparePoolAndTable(stack), { recorded: 0, resting: [sub], wrong: [] });
			await redrive(stack);
			t.deepEqual(await deadLetters(stack), []);
			await agree(t, scene);
		},
		kind === "throttle" ? test : undefined,
	);
}

test("a table that is down for long, and back within six hours, loses nobody, and nobody has to do anything", async (t) => {
	const scene = await openOwn(t, withoutTrail(programs.whole));
	const { stack, people } = scene;
	const lift = stack.fault({ service: "dynamodb", kind: "fail" });
	const emails = Array.from({ length: 3 }, (_, index) => `${index}@example.com`);
	for (const email of emails) {
		await people.signUp(email);
		await people.confirm(email);
	}
	// Lambda itself would have tried each of them three times.
	while (failures(stack, "recordUser").length < 5 * emails.length) await setTimeout(20);
	t.deepEqual(await deadLetters(stack), []);
	lift();
	await stack.settled();
	await agree(t, scene, emails.length);
	t.deepEqual(await deadLetters(stack), []);
});

// The link.

inBothModes(
	"when the user pool throttles the first links, a later one is written",
	async (t, scene) => {
		const { stack } = scene;
		const operation = "AdminUpdateUserAttributes";
		stack.fault({ service: "cognito-idp", operation, kind: "throttle", times: 5 });
		await signUp(scene);
		await agree(t, scene);
	},
);

inBothModes(
	"when the user pool throttles every link, the event rests in the dead-letter queue, and the next sign-in links",
	async (t, scene) => {
		const { stack } = scene;
		const operation = "AdminUpdateUserAttributes";
		const lift = stack.fault({ service: "cognito-idp", operation, kind: "throttle" });
		const sub = await signUp(scene);
		t.true(failures(stack, "recordUser").includes("UserPoolUnavailable"));
		t.deepEqual(await comparePoolAndTable(stack), { recorded: 0, resting: [sub], wrong: [] });
		lift();
		await signIn(scene);
		await agree(t, scene);
	},
	test,
);

inBothModes("a link that was taken away is written again at the next sign-in", async (t, scene) => {
	const { stack, people, email } = scene;
	const sub = await signUp(scene);
	await people.change(email, { "custom:userId": "" });
	t.deepEqual((await comparePoolAndTable(stack)).wrong, [`${sub} is not linked`]);
	await signIn(scene);
	await agree(t, scene);
});

// What was done, and not heard of.

for (const [what, call] of Object.entries({
	"the put of the profile": { service: "dynamodb", operation: "PutItem" },
	"the link": { service: "cognito-idp", operation: "AdminUpdateUserAttributes" },
	"the publishing of the event": { service: "events", operation: "PutEvents" },
} as const)) {
	inBothModes(`when the answer to ${what} is lost, there is one profile`, async (t, scene) => {
		const { stack } = scene;
		let calls = 0;
		stack.onCall(({ operation }) => {
			if (operation === call.operation) calls++;
		});
		stack.fault({ ...call, kind: "disconnect", afterWork: true, times: 1 });
		await signUp(scene);
		t.true(calls > 1);
		await agree(t, scene);
		await signIn(scene);
		await agree(t, scene);
	});
}

/** Kills a function as it is about to write a link, once. */
function killBeforeLink(stack: Stack, name: string): void {
	const operation = "AdminUpdateUserAttributes";
	stack.fault({ service: "cognito-idp", operation, caller: name, kind: "hang", times: 1 });
	const stop = stack.onCall((call) => {
		if (call.operation !== operation || call.caller !== name) return;
		stop();
		stack.kill(name);
	});
}

test.serial("a consumer that is killed between put and link is run again, and links", async (t) => {
	const scene = await openOwn(t, programs.event);
	killBeforeLink(scene.stack, "recordUser");
	await signUp(scene);
	t.true(scene.stack.logs("recordUser").some((line) => line.includes("signal: SIGKILL")));
	await agree(t, scene);
});

test.serial(
	"a trigger that is killed between put and link fails the confirmation, and the next sign-in links",
	async (t) => {
		const scene = await openOwn(t, programs.immediate);
		const { stack, people, email } = scene;
		killBeforeLink(stack, "postConfirmation");
		const sub = await people.signUp(email);
		await t.throwsAsync(people.confirm(email), { name: "UserLambdaValidationException" });
		t.deepEqual((await comparePoolAndTable(stack)).wrong, [`${sub} is not linked`]);
		await signIn(scene);
		await agree(t, scene);
	},
);

// Events twice, late, in any order, and after the account.

/** Lets somebody sign up and confirm while the bus refuses: a confirmed account that nobody has heard of. */
async function signUpUnheard(
	{ people, stack }: Scene,
	email: string,
	attributes?: Record<string, string>,
): Promise<string> {
	const lift = stack.fault({ service: "events", caller: "postConfirmation", kind: "throttle" });
	const sub = await people.signUp(email, attributes);
	await people.confirm(email);
	lift();
	return sub;
}

test.serial("the same event ten times at once makes one profile", async (t) => {
	const scene = await open(t, "event");
	const { stack, email } = scene;
	const sub = await signUpUnheard(scene, email);
	const event = confirmed({ sub, username: sub, email, emailVerified: true });
	await publishEvents(stack, ...Array<EventEntry>(10).fill(event));
	t.is(stack.logs("recordUser").filter((line) => line.includes('"outcome"')).length, 10);
	t.is(stack.logs("recordUser").filter((line) => line.includes('"created"')).length, 1);
	await agree(t, scene);
});

test.serial("a person's events in every order make the same profile", async (t) => {
	const scene = await open(t, "event");
	const { stack, people } = scene;
	const orders = ["012", "021", "102", "120", "201", "210"];
	const histories: EventEntry[][] = [];
	// One after the other: side by side, they would start a process each.
	for (const order of orders) {
		const [email, newEmail] = [`${order}@example.com`, `new.${order}@example.com`];
		const sub = await signUpUnheard(scene, email, { name: "Ada Byron" });
		await people.change(email, { name: "Ada Lovelace" });
		await people.change(email, { email: newEmail, email_verified: "true" });
		const first = { sub, username: sub, email, emailVerified: true, name: "Ada Byron" };
		const second = { ...first, name: "Ada Lovelace" };
		const third = { ...second, email: newEmail };
		const events = [confirmed(first), signedIn(second), signedIn(third)];
		histories.push([...order].flatMap((index) => events[Number(index)] ?? []));
	}
	for (const turn of [0, 1, 2]) {
		await publishEvents(stack, ...histories.flatMap((events) => events[turn] ?? []));
	}
	await agree(t, scene, orders.length);
});

test.serial(
	"an account deleted between confirmation and consumption leaves no profile",
	async (t) => {
		const scene = await open(t, "event");
		const { stack, people, email } = scene;
		const lift = stack.fault({ service: "lambda", caller: "sqs", kind: "hang", times: 1 });
		await people.signUp(email);
		await people.confirm(email);
		await people.delete(email);
		lift();
		await stack.settled();
		t.true(stack.logs("recordUser").some((line) => line.includes('"absent"')));
		t.deepEqual(await comparePoolAndTable(stack), { recorded: 0, resting: [], wrong: [] });
	},
);

test.serial(
	"a malformed event rests in the dead-letter queue, with the reason in the log",
	async (t) => {
		const scene = await open(t, "event");
		const { stack } = scene;
		const good = confirmed({
			sub: randomUUID(),
			username: "ada",
			email: "ada@example.com",
			emailVerified: true,
		});
		const detail = JSON.parse(good.detail);
		const { email, ...identity } = detail.identity;
		for (const [malformed, reason] of [
			[
				{ ...detail, version: 2 },
				{ type: "InvalidEvent", path: "detail.version" },
			],
			[
				{ ...detail, identity },
				{ type: "InvalidIdentity", path: "email" },
			],
		]) {
			await publishEvents(stack, { ...good, detail: JSON.stringify(malformed) });
			const logged = stack.logs("recordUser").filter((line) => line.includes(reason.type));
			t.is(JSON.parse(logged[0] ?? "").message.issues[0].path, reason.path);
			t.deepEqual((await deadLetters(stack)).at(-1)?.detail, malformed);
			t.is(logged.length, 1, "it is not tried again");
		}
		await agree(t, scene, 0);
	},
);

test.serial(
	"an event that its queue never takes rests in the dead-letter queue until it is redriven",
	async (t) => {
		const scene = await open(t, "event");
		const { stack } = scene;
		const queue = declared(stack.program, "aws:sqs/queue:Queue").find(
			({ name }) => name === "recordUser",
		);
		const about = String(queue?.physicalName);
		const lift = stack.fault({ service: "sqs", caller: "events", about, kind: "throttle" });
		const sub = await signUp(scene);
		t.deepEqual(await comparePoolAndTable(stack), { recorded: 0, resting: [sub], wrong: [] });
		lift();
		await redrive(stack);
		await agree(t, scene);
	},
);

test.serial("of a batch of ten in which one fails, that one alone comes again", async (t) => {
	const scene = await open(t, "event");
	const { stack } = scene;
	const emails = Array.from({ length: 10 }, (_, index) => `${index}@example.com`);
	const subs: string[] = [];
	for (const email of emails) subs.push(await signUpUnheard(scene, email));
	const [failing = ""] = subs;
	// As often as one invocation tries it.
	stack.fault({
		service: "dynamodb",
		operation: "PutItem",
		about: failing,
		kind: "fail",
		times: 3,
	});
	// The first batch waits until all ten are there.
	const lift = stack.fault({ service: "sqs", operation: "ReceiveMessage", kind: "hang", times: 2 });
	const identity = (index: number) => {
		const sub = String(subs[index]);
		return { sub, username: sub, email: String(emails[index]), emailVerified: true };
	};
	const published = publishEvents(stack, ...emails.map((_, index) => confirmed(identity(index))));
	await setTimeout(200);
	lift();
	await published;
	const outcomes = stack.logs("recordUser").filter((line) => line.includes('"outcome"'));
	t.is(outcomes.length, 10);
	t.true(failures(stack, "recordUser").includes("StoreUnavailable"));
	await agree(t, scene, 10);
});

// Many at once.

inBothModes(
	"500 people who sign up, ten at a time, while Cognito throttles every second call of the consumer, are recorded",
	async (t, scene, writeMode) => {
		const { stack, people } = scene;
		const caller = writeMode === "event" ? "recordUser" : "postConfirmation";
		stack.fault({ service: "cognito-idp", caller, kind: "throttle", every: 2, times: 150 });
		const emails = Array.from({ length: 500 }, (_, index) => `${index}@example.com`);
		const signUp = async (email: string) => {
			await people.signUp(email);
			await people.confirm(email);
		};
		// As many as there are processes here at most: a trigger that waited for one would do so on Cognito's clock.
		await pMap(emails, signUp, { concurrency: 10 });
		await stack.settled();
		await redrive(stack);
		await agree(t, scene, 500);
	},
	test.serial,
);

// What CloudTrail tells, with no sign-in.

test.serial(
	"a record of CloudTrail without a sub rests; one of another pool, a refused call or an unknown operation leaves nothing",
	async (t) => {
		const scene = await open(t, "whole");
		const { stack } = scene;
		const sub = await signUp(scene);
		const userPoolId = stack.outputs.userPoolId;
		const deletion = {
			eventName: "AdminDeleteUser",
			requestParameters: { userPoolId, username: "HIDDEN_DUE_TO_SECURITY_REASONS" },
			additionalEventData: { sub },
		};
		for (const detail of [
			{ ...deletion, errorCode: "NotAuthorizedException" },
			{ ...deletion, eventName: "AdminDisableUser" },
			{ ...deletion, requestParameters: { userPoolId: "us-east-1_Another00" } },
			// Of this pool or another, nobody knows: of such a sub, there is nothing here.
			{ eventName: "DeleteUser", additionalEventData: { sub: randomUUID() } },
			// What is said of an account that is there makes recordUser look, and nothing else.
			deletion,
		]) {
			stack.trail(detail);
			await stack.settled();
			t.deepEqual(await deadLetters(stack), []);
			await agree(t, scene);
		}
		stack.trail({ ...deletion, additionalEventData: undefined });
		await stack.settled();
		t.is((await deadLetters(stack)).length, 1);
		t.deepEqual(failures(stack, "recordUser"), ["InvalidEvent"]);
		await agree(t, scene);
	},
);

test.serial(
	"the profile of a federated account, whose sub is no username, is not taken for one whose account is gone",
	async (t) => {
		const scene = await open(t, "whole");
		const { stack, people } = scene;
		const sub = await stack.federate("Google_1234", "ada@example.com");
		const change = { eventName: "AdminUpdateUserAttributes", additionalEventData: { sub } };
		const requestParameters = { userPoolId: stack.outputs.userPoolId };
		for (const _ of ["no profile yet", "a profile"]) {
			stack.trail({ ...change, requestParameters });
			await stack.settled();
			await agree(t, scene);
		}
		await people.delete("Google_1234");
		await stack.settled();
		await agree(t, { ...scene, userIds: new Set() }, 0);
	},
);

// Cognito's clock.

inBothModes(
	"when nothing that a trigger calls ever answers, sign-up and sign-in succeed within Cognito's 5 seconds",
	async (t, scene) => {
		const { stack, people, email } = scene;
		const lifts = ["postConfirmation", "postAuthentication"].flatMap((caller) =>
			(["dynamodb", "events", "cognito-idp"] as const).map((service) =>
				stack.fault({ service, caller, kind: "hang" }),
			),
		);
		let invocations = 0;
		stack.onCall(({ service, caller }) => {
			if (service === "lambda" && caller === "cognito-idp") invocations++;
		});
		await people.signUp(email);
		await people.confirm(email);
		await people.signIn(email);
		t.is(invocations, 2, "one that takes longer is stopped, and invoked again");
		for (const lift of lifts) lift();
		await signIn(scene);
		await agree(t, scene);
	},
	test.serial,
);

inBothModes(
	"a trigger whose answers come too late is invoked three times, and makes one profile",
	async (t, scene) => {
		const { stack } = scene;
		const caller = "cognito-idp";
		let invocations = 0;
		stack.onCall((call) => {
			if (call.service === "lambda" && call.caller === caller) invocations++;
		});
		stack.fault({ service: "lambda", caller, kind: "hang", afterWork: true, times: 2 });
		await signUp(scene);
		t.is(invocations, 3);
		t.true(told(stack).length >= 3);
		await agree(t, scene);
	},
	test,
);
