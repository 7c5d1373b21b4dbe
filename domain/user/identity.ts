import { err, ok, type Result } from "neverthrow";
import type { InvalidIdentity, Issue } from "../errors";
import { identityAttributes } from "./attributes";
import { coreAttributes, type IdentityAttribute, linkAttribute } from "./registry";

/** All attributes of an identity: those that every identity has, and those of attributes.ts. */
export const registry = { ...coreAttributes, ...identityAttributes };

type Registry = typeof registry;

/** What Cognito says about a person. Optional attributes are absent when Cognito holds none. */
export type Identity = {
	readonly [Name in keyof typeof coreAttributes]: ValueOf<Registry[Name]>;
} & {
	readonly [Name in keyof typeof identityAttributes]?: ValueOf<Registry[Name]> | undefined;
};

type ValueOf<Attribute> = Attribute extends { readonly type: "number" }
	? number
	: Attribute extends { readonly type: "boolean" }
		? boolean
		: string;

/** An account of the user pool: the person's identity, and the profile that the account is linked to, if any. */
export interface Account {
	readonly identity: Identity;
	readonly userId?: string;
}

// Object.keys and Object.entries forget the names that the registry's type knows.
export const identityNames = Object.keys(registry) as (keyof Identity)[];

/** Every attribute by name. A wrong entry is refused where it stands, in attributes.ts, and not here again. */
export const identityEntries = Object.entries(registry) as readonly (readonly [
	name: string,
	attribute: IdentityAttribute,
])[];
const attributesByName = new Map(identityEntries);

/**
 * Checks that something is an identity, before it is written. It throws for no input.
 *
 * @returns a new object with attributes of the registry and nothing else, or `InvalidIdentity` with every issue found:
 * attributes that are missing, of the wrong type, over their limits, or not in the registry.
 */
export function parseIdentity(input: unknown): Result<Identity, InvalidIdentity> {
	return parse(input, "refuse");
}

/**
 * Reads an identity that another version of this code may have written: as {@link parseIdentity}, but attributes that are not
 * in the registry are left out.
 */
export function readIdentity(input: unknown): Result<Identity, InvalidIdentity> {
	return parse(input, "leave out");
}

function parse(
	input: unknown,
	unknownOnes: "refuse" | "leave out",
): Result<Identity, InvalidIdentity> {
	if (typeof input !== "object" || input === null) {
		return err({ type: "InvalidIdentity", issues: [{ path: "", message: "must be an object" }] });
	}
	const given = new Map<string, unknown>(Object.entries(input));
	const issues: Issue[] = [];
	const identity: Record<string, unknown> = {};
	for (const [name, attribute] of identityEntries) {
		const value = given.get(name);
		given.delete(name);
		if (value === undefined && !("required" in attribute)) continue;
		const message = problemWith(value, attribute);
		if (message === undefined) identity[name] = value;
		else issues.push({ path: name, message });
	}
	for (const name of unknownOnes === "refuse" ? given.keys() : []) {
		issues.push({ path: name.slice(0, 100), message: "is not an attribute of an identity" });
	}
	// TypeScript cannot follow that the loop has checked each attribute of the type.
	return issues.length === 0 ? ok(identity as Identity) : err({ type: "InvalidIdentity", issues });
}

/**
 * Reads an account from Cognito's own attributes: a trigger's `request.userAttributes`, or what `AdminGetUser` answers.
 *
 * Attributes that are not in the registry are dropped. So are blank ones, which is how Cognito deletes an attribute:
 * https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminUpdateUserAttributes.html
 *
 * @param username the account's name in the pool: a trigger's `userName`
 * @param attributes Cognito's names to values, all of them strings
 */
export function parseAccount(
	username: string,
	attributes: Readonly<Record<string, string | undefined>>,
): Result<Account, InvalidIdentity> {
	const given = new Map(Object.entries({ email_verified: "false", ...attributes, username }));
	const identity: Record<string, unknown> = {};
	for (const [name, { cognito, type }] of identityEntries) {
		const text = given.get(cognito);
		if (text) identity[name] = fromText(text, type);
	}
	const userId = given.get(linkAttribute);
	return parseIdentity(identity).map((parsed) => ({
		identity: parsed,
		...(userId && { userId }),
	}));
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether something is a UUID, as every `userId` is that was ever made, and every `sub` of Cognito's. */
export function isUuid(value: unknown): value is string {
	return typeof value === "string" && uuid.test(value);
}

/** Whether the stored user says about the person exactly what the identity says. */
export function hasIdentity(user: Identity, identity: Identity): boolean {
	return identityNames.every((name) => user[name] === identity[name]);
}

/** Whether a value may stand in an identity under this name. */
export function isIdentityValue(name: keyof Identity, value: unknown): boolean {
	const attribute = attributesByName.get(name);
	return attribute !== undefined && problemWith(value, attribute) === undefined;
}

function problemWith(value: unknown, attribute: IdentityAttribute): string | undefined {
	if (value === undefined) return "is required";
	if (typeof value !== attribute.type) return `must be a ${attribute.type}`;
	if (typeof value === "string" && attribute.type === "string") {
		if (value.length === 0) return "must not be empty";
		// As Cognito counts, an emoji is one: in code points, of which there are never more than `length` says.
		if (value.length > attribute.maxLength && [...value].length > attribute.maxLength) {
			return `must be at most ${attribute.maxLength} characters long`;
		}
		// What is not well-formed would come back from the table as something else.
		if (!value.isWellFormed()) return "must be well-formed Unicode";
		if ("pattern" in attribute && !attribute.pattern.test(value)) return "is malformed";
	}
	if (typeof value === "number" && attribute.type === "number") {
		if (!(value >= attribute.min && value <= attribute.max)) {
			return `must be between ${attribute.min} and ${attribute.max}`;
		}
	}
	return undefined;
}

/** The value that Cognito has written as text; what cannot be read stays text, for the validation to refuse. */
function fromText(text: string, type: IdentityAttribute["type"]): unknown {
	switch (type) {
		case "string":
			return text;
		case "number":
			return Number.isNaN(Number(text)) ? text : Number(text);
		case "boolean":
			return text === "true" || (text === "false" ? false : text);
	}
}
