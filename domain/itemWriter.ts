import { isRemoval } from "dynamodb-toolbox/entity/actions/update/symbols";
import type { ExtensionParser, ItemSchema, Schema } from "dynamodb-toolbox/schema";
import { Parser } from "dynamodb-toolbox/schema/actions/parse";
import { flatten } from "./flatSchema";

type Values = Record<string, unknown>;

const wholes: ReadonlySet<string> = new Set(["any", "list", "map", "record", "tuple"]);

/**
 * What UpdateAttributesCommand makes of a removal, and of a value that holds others: that is written as a whole, and so checked as
 * in a put. The command's own extension would bring the whole command into every function.
 */
const parseExtension: ExtensionParser = (schema, input, options) => {
	const parserOf = (value: unknown) => () =>
		new Parser(schema).start(value, { ...options, fill: false, defined: true });
	if (isRemoval(input)) {
		if (schema.props.required !== "never") {
			return { isExtension: true, extensionParser: parserOf(undefined) };
		}
		return {
			isExtension: true,
			*extensionParser() {
				yield input;
				return input;
			},
		};
	}
	if (wholes.has(schema.type) && Object(input) === input) {
		return { isExtension: true, extensionParser: parserOf(input) };
	}
	// The parser is who finds out whether it is one.
	const unextendedInput = input as ReturnType<ExtensionParser>["unextendedInput"];
	return { isExtension: false, unextendedInput };
};

const asUpdate = { mode: "update", parseExtension } as const;

/** Makes what writes the items of a schema as dynamodb-toolbox's commands do, with its parser where `readerOf` takes its formatter. */
export function writerOf(schema: ItemSchema) {
	const { plain, others } = flatten(schema);
	const parser = new Parser(schema);
	const othersParser = others && new Parser(others);
	const keyNames = Object.entries<Schema>(schema.attributes)
		.filter(([, { props }]) => props.key)
		.map(([name, { props }]) => props.savedAs ?? name);

	/** A new item, as PutItemCommand stores it. */
	function toItem(fields: Values): Values {
		const stored: Values = {};
		for (const { name, storedAs, inPut, isOptional, isValidInPut, toStored } of plain) {
			const value = fields[name] === undefined ? inPut : fields[name];
			if (value === undefined && isOptional) continue;
			if (!isValidInPut(value)) return parser.parse(fields);
			stored[storedAs] = toStored(value);
		}
		return Object.assign(stored, othersParser?.parse(fields));
	}

	/** What changes of an item, as UpdateAttributesCommand stores it. */
	function toChanges(fields: Values): Values {
		const stored: Values = {};
		for (const { name, storedAs, inUpdate, isInEachUpdate, ...attribute } of plain) {
			const value = fields[name] === undefined ? inUpdate : fields[name];
			if (value === undefined && !isInEachUpdate) continue;
			if (attribute.isOptional && isRemoval(value)) stored[storedAs] = value;
			else if (attribute.isValidInUpdate(value)) stored[storedAs] = attribute.toStored(value);
			else return parser.parse(fields, asUpdate);
		}
		return Object.assign(stored, othersParser?.parse(fields, asUpdate));
	}

	/** The update of an item, whose key is among the fields: each is set, or removed if it is `$remove()`. */
	function toUpdate(fields: Values) {
		const Key: Values = {};
		const sets: string[] = [];
		const removes: string[] = [];
		const ExpressionAttributeNames: Record<string, string> = {};
		const ExpressionAttributeValues: Values = {};
		for (const [index, [name, value]] of Object.entries(toChanges(fields)).entries()) {
			if (keyNames.includes(name)) {
				Key[name] = value;
				continue;
			}
			if (value === undefined) continue;
			ExpressionAttributeNames[`#${index}`] = name;
			if (isRemoval(value)) {
				removes.push(`#${index}`);
			} else {
				sets.push(`#${index} = :${index}`);
				ExpressionAttributeValues[`:${index}`] = value;
			}
		}
		const UpdateExpression = [
			...(sets.length > 0 ? [`SET ${sets.join(", ")}`] : []),
			...(removes.length > 0 ? [`REMOVE ${removes.join(", ")}`] : []),
		].join(" ");
		return { Key, UpdateExpression, ExpressionAttributeNames, ExpressionAttributeValues };
	}

	return { toItem, toUpdate };
}
