import type { FormattedValue, ItemSchema } from "dynamodb-toolbox/schema";
import { Formatter } from "dynamodb-toolbox/schema/actions/format";
import { flatten } from "./flatSchema";

/**
 * Makes what reads the items of a schema as dynamodb-toolbox's commands do, which walk the schema several times for each item. Here
 * it is walked once, at start: a plain attribute is put under its name, and the others go through the toolbox's formatter. So
 * does the whole item if a plain one is missing or not valid: what is thrown is the formatter's.
 */
export function readerOf<Flat extends ItemSchema>(schema: Flat) {
	const { plain, others } = flatten(schema);
	const formatter = new Formatter(schema);
	const othersFormatter = others && new Formatter(others);
	return (stored: unknown): FormattedValue<Flat> => {
		const values: Record<string, unknown> = Object(stored);
		const fields: Record<string, unknown> = {};
		for (const { name, storedAs, isOptional, isHidden, fromStored } of plain) {
			if (values[storedAs] === undefined && isOptional) continue;
			const value = fromStored(values[storedAs]);
			if (value === undefined) return formatter.format(stored);
			if (!isHidden) fields[name] = value;
		}
		// The type of the others does not tell their names.
		return Object.assign(fields, othersFormatter?.format(stored)) as FormattedValue<Flat>;
	};
}
