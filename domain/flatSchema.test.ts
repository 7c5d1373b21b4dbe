import { isDeepStrictEqual } from "node:util";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import test from "ava";
import * as toolbox from "dynamodb-toolbox";
import { Formatter } from "dynamodb-toolbox/schema/actions/format";
import fc from "fast-check";
import { openTable } from ".";
import { inputIssue, storedIssues } from "./issues";
import { readerOf } from "./itemReader";
import { writerOf } from "./itemWriter";

/** Text that a put refuses, and an update does not. */
const short = toolbox.string().putValidate((value) => value.length < 5 || "is too long");
const place = toolbox.map({
	city: toolbox.string().savedAs("_c"),
	lines: toolbox.list(toolbox.string()).optional(),
	country: toolbox.string().default("FR"),
});

/** Everything that a schema may declare, beside what is plain. */
const schema = toolbox.item({
	sub: toolbox.string().key().savedAs("PK").transform(toolbox.prefix("USER")),
	SK: toolbox.string().key().const("PROFILE").hidden(),
	text: toolbox.string(),
	always: toolbox.string().required("always"),
	renamed: toolbox.string().savedAs("_r"),
	secret: toolbox.string().optional().hidden(),
	count: toolbox.number().optional(),
	flag: toolbox.boolean().optional().savedAs("_f"),
	big: toolbox.number().big().optional(),
	theme: toolbox.string().enum("light", "dark").optional(),
	valid: toolbox
		.string()
		.optional()
		.validate((value) => value.length < 5 || "is too long"),
	motto: toolbox
		.string()
		.optional()
		.savedAs("_m")
		.transform({
			encode: (value: string) => `${value}!`,
			decode: (value: string) => value.slice(0, -1),
		}),
	kind: toolbox.string().const("User").savedAs("_et").hidden(),
	made: toolbox.string().optional().putDefault("put"),
	computed: toolbox
		.string()
		.optional()
		.putDefault(() => "computed"),
	changed: toolbox
		.string()
		.optional()
		.updateDefault(() => "updated"),
	linked: toolbox
		.string()
		.optional()
		.putLink((item) => `put ${Object(item).text}`)
		.updateLink((item) => `updated ${Object(item).text}`),
	address: place.optional(),
	lines: toolbox.list(short).optional(),
	pair: toolbox.tuple(short, place).optional(),
	shorts: toolbox.record(toolbox.string(), short).optional(),
	roles: toolbox.set(toolbox.string()).optional(),
	either: toolbox.anyOf(toolbox.number(), toolbox.map({ a: toolbox.string() })).optional(),
	bytes: toolbox.binary().optional(),
	nothing: toolbox.nul().optional(),
	anything: toolbox
		.any()
		.optional()
		.putValidate((value) => !Array.isArray(value)),
});
const table = openTable({
	tableName: "users",
	client: new DynamoDBClient({ region: "us-east-1" }),
});
const options = { name: "User", table, schema, entityAttribute: false, timestamps: false } as const;
const entity = new toolbox.Entity(options);
const { toItem, toUpdate } = writerOf(schema);
const read = readerOf(schema);

const text = fc.constantFrom("", "Ada", "light", "USER#1", "much longer");
/** Any value that an attribute may be given, rightly or wrongly. */
const value = fc.oneof(
	text,
	fc.constantFrom<unknown>(0, -1.5, Number.NaN, 1n, true, false, null, undefined),
	fc.constant(new Uint8Array([1])),
	fc.array(text).map((each) => new Set(each)),
	fc.array(fc.oneof(text, fc.nat())),
	fc.tuple(text, fc.nat()),
	fc.dictionary(text, fc.oneof(text, fc.nat()), { noNullPrototype: true }),
	fc.record(
		{ city: text, lines: fc.array(text), country: text, _c: text, a: text },
		{ requiredKeys: [], noNullPrototype: true },
	),
);
const address = fc.record(
	{ city: text, country: text, lines: fc.array(text) },
	{ requiredKeys: ["city", "country"], noNullPrototype: true },
);
/** What each attribute takes. */
const right = {
	sub: text,
	SK: fc.constant("PROFILE"),
	text,
	always: text,
	renamed: text,
	secret: text,
	count: fc.integer(),
	flag: fc.boolean(),
	big: fc.bigInt(),
	theme: fc.constantFrom("light", "dark"),
	valid: fc.constant("four"),
	motto: text,
	kind: fc.constant("User"),
	made: text,
	computed: text,
	changed: text,
	linked: text,
	address,
	lines: fc.array(fc.constant("four")),
	pair: fc.tuple(fc.constant("four"), address),
	shorts: fc.dictionary(text, fc.constant("four"), { noNullPrototype: true }),
	roles: fc.array(text).map((each) => new Set(each)),
	either: fc.oneof(fc.nat(), fc.record({ a: text }, { noNullPrototype: true })),
	bytes: fc.constant(new Uint8Array([1])),
	nothing: fc.constant(null),
	anything: fc.oneof(text, fc.constant({ a: 1 })),
};
const names = Object.keys(right);
const rightFields = fc.record(right, {
	requiredKeys: ["sub", "text", "always", "renamed"],
	noNullPrototype: true,
});
const least = { sub: "1", text: "Ada", always: "Ada", renamed: "Ada" };
/** What a chance would seldom hit upon. */
const rare = [
	{ count: Number.NaN },
	{ address: { city: "Paris" } },
	{ lines: ["much longer"] },
	{ pair: ["much longer", { city: "Paris", country: "FR" }] },
	{ shorts: { home: "much longer" } },
	{ anything: ["Paris"] },
].map((fields) => ({ ...least, ...fields }));
/** Fields of which one may be wrong. */
const fieldsWith = (wrong: fc.Arbitrary<unknown>): fc.Arbitrary<Record<string, unknown>> =>
	fc.oneof(
		{
			weight: 3,
			arbitrary: fc
				.tuple(rightFields, fc.option(fc.tuple(fc.constantFrom(...names, "unknown"), wrong)))
				.map(([fields, one]) => ({ ...fields, ...(one && { [one[0]]: one[1] }) })),
		},
		{ weight: 1, arbitrary: fc.constantFrom(...rare) },
	);

/** What comes of something: a value, or what the domain says of what it throws. */
function outcomeOf(run: () => unknown) {
	try {
		return { value: run() };
	} catch (error) {
		return { issues: inputIssue(error) ?? storedIssues(error) ?? String(error) };
	}
}

let [answered, refused] = [0, 0];
function same(ours: () => unknown, theirs: () => unknown) {
	const [our, their] = [outcomeOf(ours), outcomeOf(theirs)];
	if ("value" in their) answered++;
	else refused++;
	if (!isDeepStrictEqual(our, their)) {
		throw new Error(`not the same: ${fc.stringify(our)} and ${fc.stringify(their)}`);
	}
}

/** What an update does, whatever it calls its names and values. */
function meaningOf({
	Key,
	UpdateExpression = "",
	ExpressionAttributeNames: names = {},
	ExpressionAttributeValues: values = {},
}: {
	Key?: unknown;
	UpdateExpression?: string | undefined;
	ExpressionAttributeNames?: Record<string, string> | undefined;
	ExpressionAttributeValues?: Record<string, unknown> | undefined;
}) {
	const [, set = "", remove = ""] =
		/^(?:SET (.*?))? ?(?:REMOVE (.*))?$/.exec(UpdateExpression) ?? [];
	const assignments = set.split(", ").flatMap((part) => {
		const [name = "", placeholder = ""] = part.split(" = ");
		return part ? [[names[name], values[placeholder]]] : [];
	});
	const removed = remove.split(", ").flatMap((name) => (name ? [names[name]] : []));
	const used = assignments.length + removed.length;
	return {
		Key,
		set: Object.fromEntries(assignments),
		removed: removed.sort(),
		unused: [Object.keys(names).length - used, Object.keys(values).length - assignments.length],
	};
}

test.afterEach((t) => {
	t.true(answered > 100 && refused > 100, `${answered} answered, ${refused} refused`);
	[answered, refused] = [0, 0];
});

test.serial(
	"a new item is stored, or refused, as dynamodb-toolbox's own command stores or refuses it",
	(t) => {
		fc.assert(
			fc.property(fieldsWith(value), (fields) =>
				same(
					() => toItem(fields),
					// What is tried here is of any type.
					() =>
						entity
							.build(toolbox.PutItemCommand)
							.item(fields as never)
							.params().Item,
				),
			),
			{ numRuns: 500 },
		);
		t.pass();
	},
);

test.serial(
	"a stored item is read, or said to be corrupt, as dynamodb-toolbox's own commands do",
	(t) => {
		const formatter = new Formatter(schema);
		fc.assert(
			fc.property(
				rightFields,
				fc.constantFrom(...names, "PK", "_r", "_f", "_et", "_m", "unknown"),
				value,
				(fields, name, wrong) => {
					const stored = { ...toItem(fields), [name]: wrong };
					same(
						() => read(stored),
						() => formatter.format(stored),
					);
				},
			),
			{ numRuns: 500 },
		);
		for (const item of [undefined, null, 5, "Ada", [], {}]) {
			same(
				() => read(item),
				() => formatter.format(item),
			);
		}
		t.pass();
	},
);

test.serial(
	"a stored item is changed, or the change refused, as by dynamodb-toolbox's own command",
	(t) => {
		fc.assert(
			fc.property(
				fieldsWith(fc.oneof(value, fc.constant(toolbox.$remove()))),
				fc.subarray(names.filter((name) => name !== "sub")),
				fc.subarray([
					"secret",
					"count",
					"flag",
					"motto",
					"changed",
					"linked",
					"address",
					"roles",
					"anything",
				]),
				(fields, left, removed) => {
					const input = Object.fromEntries([
						...Object.entries(fields).filter(([name]) => !left.includes(name)),
						...removed.map((name) => [name, toolbox.$remove()]),
					]);
					same(
						() => meaningOf(toUpdate(input)),
						// As above.
						() =>
							meaningOf(
								entity
									.build(toolbox.UpdateAttributesCommand)
									.item(input as never)
									.params(),
							),
					);
				},
			),
			{ numRuns: 500 },
		);
		t.pass();
	},
);
