import type { PrimitiveSchema, Schema } from "dynamodb-toolbox/schema";
import { type ItemSchema, item } from "dynamodb-toolbox/schema/item";
import type { Transformer } from "dynamodb-toolbox/transformers";

/**
 * The attributes of a schema that are plain, and a schema of the others, if there are any. A plain one is text, a number or a boolean;
 * it may be a constant, have a validator, and be transformed when it is stored.
 */
export function flatten(schema: ItemSchema) {
	const plain = [];
	const others: Record<string, Schema> = {};
	for (const [name, attribute] of Object.entries<Schema>(schema.attributes)) {
		if (!isPlain(attribute)) {
			others[name] = attribute;
			continue;
		}
		const { type, props } = attribute;
		const choices: readonly unknown[] | undefined = props.enum;
		// The toolbox's types leave open what it is, and the toolbox itself calls it so.
		const transform = props.transform as Transformer | undefined;
		const isOfType = (value: unknown) => typeof value === type && !Number.isNaN(value);
		const isChoice = (value: unknown) => !choices || choices.includes(value);
		const acceptedBy = (validator: Validator) => (value: unknown) =>
			isOfType(value) && isChoice(value) && (!validator || validator(value, attribute) === true);
		plain.push({
			name,
			storedAs: props.savedAs ?? name,
			inPut: props.key ? props.keyDefault : props.putDefault,
			inUpdate: props.key ? props.keyDefault : undefined,
			isOptional: props.required === "never",
			isInEachUpdate: props.required === "always",
			isHidden: props.hidden === true,
			isValidInPut: acceptedBy(props.key ? props.keyValidator : props.putValidator),
			isValidInUpdate: acceptedBy(props.key ? props.keyValidator : props.updateValidator),
			toStored: (value: unknown) => (transform ? transform.encode(value) : value),
			/** What a stored value is read as; `undefined` for one that is not valid. */
			fromStored(stored: unknown): unknown {
				if (!isOfType(stored)) return undefined;
				const value = transform ? transform.decode(stored) : stored;
				return isChoice(value) ? value : undefined;
			},
		});
	}
	return { plain, others: Object.keys(others).length > 0 ? item(others) : undefined };
}

type Validator = PrimitiveSchema["props"]["putValidator"];

const plainTypes: ReadonlySet<string> = new Set(["string", "number", "boolean"]);
/** All that may be declared of a plain attribute: whatever else there is computes a value, or makes it one of another type. */
const plainProps: ReadonlySet<string> = new Set([
	...["required", "hidden", "key", "savedAs", "meta", "enum", "keyDefault", "putDefault"],
	...["transform", "keyValidator", "putValidator", "updateValidator"],
]);

const isPlain = (attribute: Schema): attribute is PrimitiveSchema =>
	plainTypes.has(attribute.type) &&
	Object.entries(attribute.props).every(
		([name, value]) =>
			value === undefined ||
			(plainProps.has(name) && (typeof value !== "function" || name.endsWith("Validator"))),
	);
