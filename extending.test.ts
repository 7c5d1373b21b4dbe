import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import {
	CognitoIdentityProviderClient,
	DescribeUserPoolCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import { RunError } from "@pulumi/pulumi/errors";
import test from "ava";
import ts from "typescript";
import type * as domain from "./domain";
import { eventSource } from "./domain/user/events";
import { profileKey } from "./domain/user/keys";
import { declared } from "./local/program";
import { type Stack, startStack } from "./local/stack";
import { adoptProject, edit } from "./testing/adoptedProject";
import { deadLetters } from "./testing/deadLetters";
import { People } from "./testing/people";
import { testOptions } from "./testing/programs";
import { publishEvents } from "./testing/publishEvents";

/** An application's own code, which compiles only if the types have followed. */
const typed = `
import type { User, UserUpdate } from "./domain";
export const seatsOf = (user: User): number => user.seats ?? 0;
export const planOf = (user: User): string => (user.plan ?? "") + (user.nickname ?? "");
export const moved = (address: { city: string; lines: string[] }): UserUpdate => ({ testAddress: address });
export const themeOf = (user: User): "light" | "dark" | undefined => user.theme;
// @ts-expect-error a number is no text
export const wrong = (user: User): string => user.seats ?? "";
`;

/** Attributes that are stored otherwise than they are written and read, hold others, or are checked in an update alone. */
const further = `
	testAddress: testSchema.map({
		city: testSchema.string(),
		country: testSchema.string().default("FR"),
		lines: testSchema.list(testSchema.string()),
	}).optional(),
	testLocale: testSchema.string().optional().default("en"),
	testRoles: testSchema.set(testSchema.string()).optional(),
	testScores: testSchema.record(testSchema.string(), testSchema.number()).optional(),
	testNotes: testSchema.any().optional(),
	testKeys: testSchema.map({ testKey: testSchema.binary() }).optional(),
	testMotto: testSchema.string().optional().transform({
		encode: (text: string) => text + "!",
		decode: (text: string) => text.slice(0, -1),
	}),
	testLevel: testSchema.number().optional().updateValidate((level) => Number(level) < 10 || "must be less than 10"),
`;

/** What the orders of the README do, as far as they are used here. */
interface Orders {
	readonly createOrders: (table: domain.SingleTable) => {
		place(order: object): PromiseLike<{ _unsafeUnwrapErr(): unknown; _unsafeUnwrap(): object }>;
		ofUser(sub: string): PromiseLike<{ _unsafeUnwrap(): readonly object[] }>;
		withUser(
			sub: string,
		): PromiseLike<{ _unsafeUnwrap(): { user?: object; orders: readonly object[] } }>;
	};
}

let directory: string;
let stack: Stack;
let extended: typeof domain;
let orders: Orders;
let people: People;
let client: DynamoDBClient;
let tableName: string;

test.before(async () => {
	directory = await adoptProject();
	// Under a name that a fork does not import.
	const imported = 'import { schema as testSchema } from "dynamodb-toolbox/schema";\n';
	await edit(
		directory,
		"domain/user/attributes.ts",
		(source) =>
			imported +
			source.replace(/^export const applicationAttributes = {\n/m, (line) => line + further),
	);
	await edit(directory, "application.ts", (source) => `${source}${typed}`);
	stack = await startStack({ ...testOptions(), directory });
	extended = require(join(directory, "domain"));
	orders = require(join(directory, "domain/order/orders"));
	people = new People(stack);
	client = new DynamoDBClient(stack.clientOptions);
	tableName = String(stack.outputs.tableName);
});
test.after.always(async () => {
	await stack?.close();
	await rm(directory, { recursive: true });
});

/** The last change of somebody's profile that the bus was told of, as the copy's domain reads it. */
function lastChange(sub: string) {
	const event = stack.events().findLast(({ detail }) => Object(detail).user?.sub === sub);
	return extended.parseChange(event)._unsafeUnwrap();
}

let program: ts.Program | undefined;
const installed = new Map<string, ts.SourceFile | undefined>();

/** What the compiler says of the project in the copy, an error a line. */
function compile(): string {
	const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} };
	const config = ts.getParsedCommandLineOfConfigFile(join(directory, "tsconfig.json"), {}, host);
	if (!config) throw new Error("there is no tsconfig.json");
	const compiler = ts.createCompilerHost(config.options);
	const { getSourceFile } = compiler;
	// What is installed is the same each time.
	compiler.getSourceFile = (path, ...rest) => {
		if (!path.includes("node_modules")) return getSourceFile(path, ...rest);
		if (!installed.has(path)) installed.set(path, getSourceFile(path, ...rest));
		return installed.get(path);
	};
	program = ts.createProgram({
		// Pulumi's own types take longest: npm run test:adopted compiles the program and the tests as well.
		rootNames: config.fileNames.filter(
			(path) =>
				/\/(domain|handlers|application)\b|\.d\.ts$/.test(path) && !path.endsWith(".test.ts"),
		),
		options: config.options,
		host: compiler,
		...(program && { oldProgram: program }),
	});
	return ts.formatDiagnostics(ts.getPreEmitDiagnostics(program), {
		getCanonicalFileName: (path) => path,
		getCurrentDirectory: () => directory,
		getNewLine: () => "\n",
	});
}

test.serial(
	"entries in the registries extend the user from the pool's schema to both lookups",
	async (t) => {
		const users = extended.createUsers(extended.openTable({ tableName, client }));
		const cognito = new CognitoIdentityProviderClient(stack.clientOptions);
		const { UserPool } = await cognito.send(
			new DescribeUserPoolCommand({ UserPoolId: stack.outputs.userPoolId }),
		);
		const schemaOf = (name: string) =>
			UserPool?.SchemaAttributes?.find(({ Name }) => Name === name);
		t.like(schemaOf("nickname"), { AttributeDataType: "String", Mutable: true });
		t.like(schemaOf("custom:plan"), {
			AttributeDataType: "String",
			StringAttributeConstraints: { MinLength: "0", MaxLength: "20" },
		});
		t.like(schemaOf("custom:seats"), {
			AttributeDataType: "Number",
			NumberAttributeConstraints: { MinValue: "1", MaxValue: "500" },
		});

		const [appClient] = declared(stack.program, "aws:cognito/userPoolClient:UserPoolClient");
		const may = (access: "readAttributes" | "writeAttributes") =>
			["nickname", "custom:plan", "custom:seats"].filter((name) =>
				appClient?.inputs[access]?.includes(name),
			);
		t.deepEqual(may("readAttributes"), ["nickname", "custom:plan", "custom:seats"]);
		t.deepEqual(may("writeAttributes"), ["nickname"]);

		const email = "ada@example.com";
		const sub = await people.signUp(email, { nickname: "Ada" });
		await people.confirm(email);
		await people.change(email, { "custom:plan": "gold", "custom:seats": "5" });
		await people.signIn(email);
		await stack.settled();

		const identity = { nickname: "Ada", plan: "gold", seats: 5 };
		const expected = { ...identity, testLocale: "en" };
		const event = stack.events().findLast(({ detail }) => Object(detail).identity?.sub === sub);
		t.like(Object(event?.detail).identity, identity, "the event carries them");
		const { Item } = await DynamoDBDocumentClient.from(client).send(
			new GetCommand({ TableName: tableName, Key: profileKey(sub) }),
		);
		t.like(Item, expected, "the item holds them");
		t.like((await users.findBySub(sub))._unsafeUnwrap(), expected);
		t.like((await users.findByEmail(email))._unsafeUnwrap(), expected);

		// The types of the original project know nothing of these fields.
		const fields: object = { theme: "dark", testMotto: "onward", testLevel: 9 };
		t.like((await users.update(sub, fields))._unsafeUnwrap(), fields);
		t.like((await users.findBySub(sub))._unsafeUnwrap(), fields);
		const address = { city: "Paris", lines: ["1 Quai"] };
		const moved: object = { testAddress: address };
		t.like((await users.update(sub, moved))._unsafeUnwrap(), {
			testAddress: { ...address, country: "FR" },
		});
		const wrong: object = { theme: "grey" };
		t.deepEqual((await users.update(sub, wrong))._unsafeUnwrapErr(), {
			type: "InvalidUpdate",
			issues: [{ path: "theme", message: "must be light or dark" }],
		});
		const nested: object = {
			testAddress: { city: "Paris", lines: ["1 Quai", 2] },
			testMotto: 3,
			testLevel: 10,
		};
		t.deepEqual((await users.update(sub, nested))._unsafeUnwrapErr(), {
			type: "InvalidUpdate",
			issues: [
				{ path: "testAddress.lines[1]", message: "must be string" },
				{ path: "testMotto", message: "must be string" },
				{ path: "testLevel", message: "must be less than 10" },
			],
		});
		const message = "holds what DynamoDB cannot store";
		for (const [path, value] of [
			["testLevel", Number.NEGATIVE_INFINITY],
			["testLevel", -(2 ** 60)],
			["testRoles", new Set()],
			["testScores", { chess: Number.POSITIVE_INFINITY }],
			["testNotes", { since: new Date(0) }],
			["testNotes", [{ nothing: undefined }]],
		] as const) {
			const unstorable: object = { [path]: value };
			t.deepEqual((await users.update(sub, unstorable))._unsafeUnwrapErr(), {
				type: "InvalidUpdate",
				issues: [{ path, message }],
			});
		}
		const large: object = { testNotes: "x".repeat(410_000) };
		t.deepEqual((await users.update(sub, large))._unsafeUnwrapErr(), {
			type: "InvalidUpdate",
			issues: [
				{ path: "", message: "makes the profile larger than the 400 KB of a DynamoDB item" },
			],
		});
	},
);

test.serial(
	"code from before an attribute was added and code from after it read each other's profiles and events",
	async (t) => {
		const { createUsers, openTable, parseEvent } = require("./domain") as typeof domain;
		const before = createUsers(openTable({ tableName, client }));
		const after = extended.createUsers(extended.openTable({ tableName, client }));
		const email = "grace@example.com";
		const sub = await people.create(email);
		const identity = { sub, username: sub, email, emailVerified: true };
		const stored = (await before.register(identity))._unsafeUnwrap();
		t.deepEqual((await after.findBySub(sub))._unsafeUnwrap(), stored);
		t.deepEqual((await after.findByEmail(email))._unsafeUnwrap(), stored);

		await people.change(email, { "custom:seats": "5" });
		await people.signIn(email);
		await stack.settled();
		const { userId, createdAt } = stored;
		t.like((await after.findBySub(sub))._unsafeUnwrap(), { seats: 5, userId, createdAt });
		t.like((await before.findBySub(sub))._unsafeUnwrap(), { ...identity, userId, createdAt });
		const event = stack.events().findLast(({ detail }) => Object(detail).identity?.sub === sub);
		t.like(extended.parseEvent(event)._unsafeUnwrap().account.identity, { ...identity, seats: 5 });
		t.like(parseEvent(event)._unsafeUnwrap().account.identity, identity);
	},
);

test.serial(
	"another entity has its access patterns under the user's partition, and typed errors of its own",
	async (t) => {
		const table = extended.openTable({ tableName, client });
		const { place, ofUser, withUser } = orders.createOrders(table);
		const sub = await people.signUp("emmy@example.com");
		await people.confirm("emmy@example.com");
		await stack.settled();
		const first = { sub, orderId: "1", total: 5 };
		const second = { sub, orderId: "2", total: 7 };
		for (const order of [first, second]) t.like((await place(order))._unsafeUnwrap(), order);
		t.like((await ofUser(sub))._unsafeUnwrap(), [first, second]);

		const calls: string[] = [];
		const stop = stack.onCall(({ operation }) => calls.push(operation));
		const { user, orders: found } = (await withUser(sub))._unsafeUnwrap();
		stop();
		t.deepEqual(calls, ["Query"]);
		t.deepEqual(user, (await extended.createUsers(table).findBySub(sub))._unsafeUnwrap());
		t.like(found, [first, second]);

		t.deepEqual((await place({ ...first, total: "much" }))._unsafeUnwrapErr(), {
			type: "InvalidOrder",
			issues: [{ path: "total", message: "must be number" }],
		});
		const gone = extended.openTable({ tableName: "gone", client });
		t.like((await orders.createOrders(gone).place(first))._unsafeUnwrapErr(), {
			type: "StoreUnavailable",
			retryable: false,
		});
	},
);

test.serial(
	"a subscriber is one declaration: it gets its events, and what it fails on rests in a queue of its own, with an alarm",
	async (t) => {
		const name = "sendWelcome";
		const sub = await people.signUp("mary@example.com");
		const found: unknown[] = [];
		const welcome = declared(stack.program, "aws:lambda/function:Function").find(
			(each) => each.name === name,
		);
		const stop = stack.onCall(({ operation, body }) => {
			if (operation !== "Invoke" || Object(body).FunctionName !== welcome?.arn) return;
			const users = extended.createUsers(extended.openTable({ tableName, client }));
			found.push(users.findBySub(sub).map((user) => user.sub));
		});
		await people.confirm("mary@example.com");
		await stack.settled();
		await people.signIn("mary@example.com");
		await people.change("mary@example.com", { nickname: "Mary" });
		await stack.settled();
		stop();
		t.is((await Promise.all(found)).length, 1);
		for (const result of await Promise.all(found)) {
			t.is(Object(result).value, sub, "the profile is there");
		}
		const welcomed = stack.logs(name).filter((line) => line.includes(sub));
		t.is(welcomed.length, 1, "its one detail type, and no other");

		const queue = declared(stack.program, "aws:sqs/queue:Queue").find(
			(each) => each.name === `${name}-deadLetters`,
		);
		const detail = { version: 1, user: { sub: "nobody" } };
		const event = { source: eventSource, detailType: "UserCreated" };
		await publishEvents(stack, { ...event, detail: JSON.stringify(detail) });
		const resting = await deadLetters(stack, queue?.id);
		t.deepEqual(
			resting.map(({ detail }) => detail),
			[detail],
		);
		t.true(
			stack.program.resources.some(
				({ type, inputs }) =>
					/MetricAlarm$/.test(type) &&
					JSON.stringify(inputs.metricQueries).includes(String(queue?.physicalName)),
			),
		);
	},
);

test.serial(
	"a change tells of what was added, a set and bytes included, as the domain reads it",
	async (t) => {
		const users = extended.createUsers(extended.openTable({ tableName, client }));
		const sub = await people.signUp("joan@example.com", { nickname: "Joan" });
		await people.confirm("joan@example.com");
		await stack.settled();
		const testKey = new Uint8Array([0, 1, 255]);
		const fields: object = {
			theme: "dark",
			testMotto: "onward",
			testRoles: new Set(["admin", "editor"]),
			testKeys: { testKey },
		};
		const user = (await users.update(sub, fields))._unsafeUnwrap();
		await stack.settled();
		const told = lastChange(sub);
		if (told.type !== "UserUpdated") return t.fail(told.type);
		const changed: readonly string[] = told.changed;
		t.deepEqual(changed, ["testRoles", "testKeys", "testMotto", "theme"]);
		t.deepEqual(told.user, user);

		const motto: object = { testMotto: "upward" };
		(await users.update(sub, motto))._unsafeUnwrap();
		await stack.settled();
		const alone: object = { changed: ["testMotto"] };
		t.like(lastChange(sub), alone, "what is equal has not changed");
		t.true(lastChange(sub).sequence > told.sequence);
	},
);

test.serial(
	"who listens to UserRemoved erases what lies beside a profile, once the account is gone and no sooner",
	async (t) => {
		const table = extended.openTable({ tableName, client });
		const { place, ofUser } = orders.createOrders(table);
		const email = "hedy@example.com";
		const sub = await people.signUp(email);
		await people.confirm(email);
		await stack.settled();
		const order = { sub, orderId: "1", total: 5 };
		(await place(order))._unsafeUnwrap();

		// By hand: the profile comes back at the next sign-in.
		(await extended.createUsers(table).remove(sub))._unsafeUnwrap();
		await stack.settled();
		t.is(lastChange(sub).type, "UserRemoved");
		await people.signIn(email);
		await stack.settled();
		t.like((await ofUser(sub))._unsafeUnwrap(), [order]);

		await people.deleteOwn(email);
		await stack.settled();
		t.deepEqual((await ofUser(sub))._unsafeUnwrap(), []);
		const removed = stack.events().findLast((event) => event["detail-type"] === "UserRemoved");
		await publishEvents(stack, {
			source: eventSource,
			detailType: "UserRemoved",
			detail: JSON.stringify(removed?.detail),
		});
		const queue = declared(stack.program, "aws:sqs/queue:Queue").find(
			(each) => each.name === "eraseRest-deadLetters",
		);
		t.deepEqual(await deadLetters(stack, queue?.id), [], "it may come any number of times");
	},
);

test.serial("the types follow, and the code of the README and docs/operations.md compiles", (t) => {
	t.is(compile(), "");
});

/** Writes another entry in the place of one of the README's. */
const rewrite = (name: string, entry: string) =>
	edit(directory, "domain/user/attributes.ts", (source) =>
		source.replace(new RegExp(`^\t${name}: .*$`, "m"), `\t${name}: ${entry},`),
	);

test("the domain needs the packages that the README names, and no others", async (t) => {
	const files = await readdir(join(__dirname, "domain"), { recursive: true });
	const sources = files.filter((file) => /(?<!\.test)\.ts$/.test(file));
	const texts = await Promise.all(
		sources.map((file) => readFile(join(__dirname, "domain", file), "utf8")),
	);
	const imported = texts
		.flatMap((text) => [...text.matchAll(/ from "([^".][^"]*)"/g)])
		.map(([, specifier = ""]) => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? "")
		.filter((name) => !name.startsWith("node:"));
	const readme = await readFile(join(__dirname, "README.md"), "utf8");
	const [, paragraph = ""] = /copy\s`domain\/`[^:]*:\sit\sneeds(.*?)\.\s/s.exec(readme) ?? [];
	const named = [...paragraph.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
	t.deepEqual([...new Set(imported)].sort(), named.sort());
});

// Last, as they change the copy.
test.serial("a wrong entry is one compile error, where it stands", async (t) => {
	await rewrite("nickname", '{ cognito: "nick", type: "string", maxLength: 2048 }');
	await rewrite("seats", '{ cognito: "custom:seats", type: "number", min: "1", max: 500 }');
	const errors = compile()
		.split("\n")
		.filter((line) => /^\S.*error TS/.test(line));
	t.is(errors.length, 2, errors.join("\n"));
	for (const error of errors) t.regex(error, /^domain\/user\/attributes\.ts\(/);
});

test.serial("a wrong entry that compiles stops the program with its sentence", async (t) => {
	await rewrite("nickname", '{ cognito: "nickname", type: "string", maxLength: 2048 }');
	await rewrite("seats", '{ cognito: "custom:userId", type: "string", maxLength: 36 }');
	const started = startStack({ ...testOptions(), directory });
	t.teardown(() =>
		started.then(
			(unexpected) => unexpected.close(),
			() => {},
		),
	);
	await t.throwsAsync(started, {
		instanceOf: RunError,
		message: /^The attribute seats in domain\/user\/attributes\.ts is custom:userId, which links/,
	});
});
