import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import {
	CognitoIdentityProviderClient,
	DescribeUserPoolCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import test from "ava";
import { createUsers, openTable } from "./domain";
import { declared } from "./local/program";
import { startStack } from "./local/stack";
import { People } from "./testing/people";

const blocks = [
	...readFileSync(join(__dirname, "README.md"), "utf8").matchAll(/^```ts\n(.*?)^```/gms),
].map(([, code = ""]) => code);

/** The one block of code in the README that holds a text. */
function readme(text: string): string {
	const [block, ...more] = blocks.filter((code) => code.includes(text));
	if (!block || more.length > 0)
		throw new Error(`Not exactly one block of the README holds ${text}`);
	return block;
}

/** An application's own code, which compiles only if the types have followed. */
const typed = `
import type { User } from "./domain";
export const seatsOf = (user: User): number => user.seats ?? 0;
export const planOf = (user: User): string => (user.plan ?? "") + (user.nickname ?? "");
export const themeOf = (user: User): "light" | "dark" | undefined => user.theme;
// @ts-expect-error a number is no text
export const wrong = (user: User): string => user.seats ?? "";
`;

/** An attribute that is stored otherwise than it is written and read. */
const transformed = `
	motto: string().optional().transform({
		encode: (text: string) => text + "!",
		decode: (text: string) => text.slice(0, -1),
	}),
`;

/** A copy of this project whose user is extended as the README says: some entries, in one file. */
async function extendedProject(): Promise<string> {
	const directory = await mkdtemp(join(tmpdir(), "extended-"));
	for (const path of [
		"adapters",
		"domain",
		"handlers",
		"infra",
		"index.ts",
		"Pulumi.yaml",
		"Pulumi.dev.yaml",
		"tsconfig.json",
	]) {
		await cp(join(__dirname, path), join(directory, path), {
			recursive: true,
			filter: (source) => !/(\.test|testTable)\.ts$/.test(source),
		});
	}
	await symlink(join(__dirname, "node_modules"), join(directory, "node_modules"));
	const user = join(directory, "domain/user/identity.ts");
	const source = await readFile(user, "utf8");
	await writeFile(
		user,
		source
			.replace(/^\tfamilyName: .*\n/m, (line) => line + readme("custom:seats"))
			.replace(
				/^export const applicationAttributes = {\n/m,
				(line) => line + readme("theme:") + transformed,
			),
	);
	await writeFile(join(directory, "typed.ts"), typed);
	await writeFile(join(directory, "application.ts"), readme("createUsers("));
	await writeFile(join(directory, "subscriber.ts"), readme("parseEvent("));
	return directory;
}

test("entries in the registry extend the user from the pool's schema to both lookups", async (t) => {
	const directory = await extendedProject();
	t.teardown(() => rm(directory, { recursive: true }));
	const stack = await startStack({ directory });
	t.teardown(stack.close);
	const tableName = String(stack.outputs.tableName);
	const client = new DynamoDBClient(stack.clientOptions);
	const extended = require(join(directory, "domain")) as { createUsers: typeof createUsers };
	const users = extended.createUsers(openTable({ tableName, client }));
	const people = new People(stack);

	const { stdout } = await promisify(execFile)(
		join(__dirname, "node_modules/.bin/tsc"),
		["--noEmit", "--project", directory],
		{ cwd: directory },
	).catch((error: { stdout: string }) => error);
	t.is(stdout, "", "the types follow, and the examples of the README compile");

	const cognito = new CognitoIdentityProviderClient(stack.clientOptions);
	const { UserPool } = await cognito.send(
		new DescribeUserPoolCommand({ UserPoolId: stack.outputs.userPoolId }),
	);
	const schemaOf = (name: string) => UserPool?.SchemaAttributes?.find(({ Name }) => Name === name);
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

	const expected = { nickname: "Ada", plan: "gold", seats: 5 };
	t.like(Object(stack.events().at(-1)?.detail).identity, expected, "the event carries them");
	const { Item } = await DynamoDBDocumentClient.from(client).send(
		new GetCommand({ TableName: tableName, Key: { PK: `USER#${sub}`, SK: "PROFILE" } }),
	);
	t.like(Item, expected, "the item holds them");
	t.like((await users.findBySub(sub))._unsafeUnwrap(), expected);
	t.like((await users.findByEmail(email))._unsafeUnwrap(), expected);

	// The types of the original project know nothing of these fields.
	const fields: object = { theme: "dark", motto: "onward" };
	t.like((await users.update(sub, fields))._unsafeUnwrap(), fields);
	t.like((await users.findBySub(sub))._unsafeUnwrap(), fields);
	const wrong: object = { theme: "grey" };
	t.deepEqual((await users.update(sub, wrong))._unsafeUnwrapErr(), {
		type: "InvalidUpdate",
		issues: [{ path: "theme", message: "must be light or dark" }],
	});
});

test("profiles stored before an attribute was added still read, and take it at the next sign-in", async (t) => {
	const directory = await extendedProject();
	t.teardown(() => rm(directory, { recursive: true }));
	const stack = await startStack({ directory });
	t.teardown(stack.close);
	const options = {
		tableName: String(stack.outputs.tableName),
		client: new DynamoDBClient(stack.clientOptions),
	};
	const before = createUsers(openTable(options));
	const extended = require(join(directory, "domain")) as { createUsers: typeof createUsers };
	const after = extended.createUsers(openTable(options));
	const people = new People(stack);
	const email = "ada@example.com";
	const sub = await people.create(email);
	const identity = { sub, username: sub, email, emailVerified: true };
	const stored = (await before.register(identity))._unsafeUnwrap();

	t.deepEqual((await after.findBySub(sub))._unsafeUnwrap(), stored);
	t.deepEqual((await after.findByEmail(email))._unsafeUnwrap(), stored);

	await people.change(email, { "custom:seats": "5" });
	await people.signIn(email);
	await stack.settled();
	const { userId, createdAt } = stored;
	const expected = { seats: 5, userId, createdAt };
	t.like((await after.findBySub(sub))._unsafeUnwrap(), expected);
});
