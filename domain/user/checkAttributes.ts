import type { Schema } from "dynamodb-toolbox/schema";
import { tableDefinition } from "../table";
import { applicationAttributes, identityAttributes } from "./attributes";
import { storeAttributes } from "./keys";
import { coreAttributes, type IdentityEntry, linkAttribute, standardAttributes } from "./registry";

// https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_SchemaAttributeType.html
const customName = /^custom:[\p{L}\p{M}\p{S}\p{N}\p{P}]{1,20}$/u;
// https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html
const mostCustomAttributes = 50;
const longestValue = 2048;

/**
 * Looks for what cannot work in attributes.ts, which Cognito would refuse, or which would give a person more than is theirs:
 * whatever the types let pass, or nobody has compiled. The program asks before it declares anything. It costs no round trip.
 *
 * @returns one sentence that says what is wrong and what to do, or `undefined` if all is well
 */
export function problemWithAttributes(
	identity: Readonly<Record<string, object>> = identityAttributes,
	application: Readonly<Record<string, Schema>> = applicationAttributes,
): string | undefined {
	const names = [...Object.keys(identity), ...Object.keys(application)];
	for (const [index, name] of names.entries()) {
		if (storeNames.has(name)) {
			return `The attribute ${name} has a name that the profile itself uses: give it another one in domain/user/attributes.ts.`;
		}
		if (names.indexOf(name) !== index) {
			return `The attribute ${name} stands in both registries of domain/user/attributes.ts: give one of them another name.`;
		}
	}
	const storedNames = new Set([...storeNames, ...Object.keys(identity)]);
	for (const [name, schema] of Object.entries(application)) {
		const { props } = schema;
		if (props.required !== "never") {
			return `The attribute ${name} in domain/user/attributes.ts is required, and no profile has it yet: make it optional().`;
		}
		const storedAs = props.savedAs ?? name;
		if (storedNames.has(storedAs)) {
			return `The attribute ${name} in domain/user/attributes.ts is saved as ${storedAs}, which is another's: give it a name of its own.`;
		}
		storedNames.add(storedAs);
		try {
			schema.check(name);
		} catch (error) {
			return `The attribute ${name} in domain/user/attributes.ts is refused by dynamodb-toolbox: ${Object(error).message}`;
		}
	}
	const declared = new Map<string, string>(
		Object.entries(coreAttributes).map(([name, { cognito }]) => [cognito, name]),
	);
	// What they are in truth is what is asked here.
	for (const [name, entry] of Object.entries(identity) as [string, IdentityEntry][]) {
		const problem = problemWithEntry(entry, declared.get(entry.cognito));
		if (problem) return `The attribute ${name} in domain/user/attributes.ts ${problem}.`;
		declared.set(entry.cognito, name);
	}
	// The link is one more.
	const custom = [...declared.keys()].filter((cognito) => cognito.startsWith("custom:")).length + 1;
	if (custom > mostCustomAttributes) {
		return `A user pool takes ${mostCustomAttributes} custom attributes, and with ${linkAttribute} there are ${custom}: take some out of domain/user/attributes.ts.`;
	}
	return undefined;
}

function problemWithEntry(entry: IdentityEntry, other: string | undefined): string | undefined {
	const { cognito, type, client } = entry;
	if ("required" in entry) return "is required, and no profile has it yet: take required out";
	if (cognito === linkAttribute) {
		return `is ${linkAttribute}, which links an account to its profile and is nobody's to declare: take it out`;
	}
	if (other !== undefined) return `is ${cognito} in Cognito, and so is ${other}: take it out`;
	const isStandard = standardAttributes.some((name) => name === cognito);
	if (!isStandard && !customName.test(cognito)) {
		return `is called ${JSON.stringify(cognito)} in Cognito: write one of its standard attributes, or custom: and a name of 1 to 20 characters without a space`;
	}
	if (client !== undefined && client !== "read" && client !== "readWrite") {
		return `gives the app client ${JSON.stringify(client)}: write "read", "readWrite", or nothing for no access`;
	}
	if (isStandard && type !== "string") return `is text in Cognito: write the type "string"`;
	switch (type) {
		case "string": {
			const { maxLength } = entry;
			if (isStandard && maxLength !== longestValue) {
				return `is a standard attribute, for which Cognito's own maxLength holds: write ${longestValue}`;
			}
			if (!Number.isInteger(maxLength) || maxLength < 1 || maxLength > longestValue) {
				return `has the maxLength ${maxLength}: write a whole number from 1 to ${longestValue}`;
			}
			return undefined;
		}
		case "number": {
			const { min, max } = entry;
			// Those that both Cognito and JavaScript keep to the digit.
			if (![min, max].every(Number.isSafeInteger)) {
				return `reaches from ${min} to ${max}: write whole numbers within ${Number.MAX_SAFE_INTEGER} of zero`;
			}
			return min > max ? `has a min of ${min} over its max of ${max}: swap them` : undefined;
		}
		default:
			return `has the type ${JSON.stringify(type)}: write "string" or "number"`;
	}
}

/** Every name that an attribute of the profile has, or is stored under, without the registries. */
const storeNames: ReadonlySet<string> = new Set([
	...Object.keys(coreAttributes),
	...Object.entries<Schema>(storeAttributes).flatMap(([name, { props }]) => [
		name,
		props.savedAs ?? name,
	]),
	tableDefinition.partitionKey.name,
]);
