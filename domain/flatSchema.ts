import type { PrimitiveSchema, Schema } from "dynamodb-toolbox/schema";
import { type ItemSchema, item } from "dynamodb-toolbox/schema/item";

/**
 * The attributes of a schema that are plain, and a schema of the others. A plain one is text, a number or a boolean that is stored
 * as it is given; it may be a constant.
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
		plain.push({
			name,
			storedAs: props.savedAs ?? name,
			inPut: props.key ? props.keyDefault : props.putDefault,
			inUpdate: props.key ? props.keyDefault : undefined,
			isOptional: props.required === "never",
			isHidden: props.hidden === true,
			isValid: (value: unknown) =>
				typeof value === type && !Number.isNaN(value) && (!choices || choices.includes(value)),
		});
	}
	return { plain, others: item(others) };
}

const plainTypes: ReadonlySet<string> = new Set(["string", "number", "boolean"]);
/** All that may be declared of a plain attribute: whatever else there is computes, changes or refuses a value. */
const plainProps: ReadonlySet<string> = new Set([
	...["required", "hidden", "key", "savedAs", "meta", "enum", "keyDefault", "putDefault"],
]);

const isPlain = (attribute: Schema): attribute is PrimitiveSchema =>
	plainTypes.has(attribute.type) &&
	Object.entries(attribute.props).every(
		([name, value]) => value === undefined || (plainProps.has(name) && typeof value !== "function"),
	) &&
	// What each update must have is a constant.
	(attribute.props.required !== "always" || attribute.props.keyDefault !== undefined);
