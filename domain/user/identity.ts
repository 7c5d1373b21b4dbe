import type { Schema, ValidValue } from "dynamodb-toolbox/schema";
import { string } from "dynamodb-toolbox/schema/string";
import { err, ok, type Result } from "neverthrow";
import type { InvalidIdentity, Issue } from "../errors";

// https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminGetUser.html
const usernamePattern = /^[\p{L}\p{M}\p{S}\p{N}\p{P}]+$/u;

/**
 * The identity of a user: what Cognito owns, and overwrites.
 *
 * This registry is the one place where such an attribute is declared. From its entry follow the pool's schema, what the
 * app client may read and write, the event, the stored attribute, its validation and its type. To extend the user, add an
 * entry: one of Cognito's standard attributes, or one of your own as `custom:`.
 *
 * ```ts
 * nickname: { cognito: "nickname", type: "string", maxLength: 2048, client: "readWrite" },
 * plan: { cognito: "custom:plan", type: "string", maxLength: 20, client: "read" },
 * seats: { cognito: "custom:seats", type: "number", min: 1, max: 500, client: "read" },
 * ```
 *
 * An entry may be added at any time; profiles stored before still read. Cognito lets nobody change or remove a `custom:`
 * attribute: https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
 */
export const identityAttributes = {
	sub: {
		cognito: "sub",
		type: "string",
		required: true,
		maxLength: 128,
		pattern: usernamePattern,
	},
	// The name by which Cognito's admin API addresses the account: the sub, or for a federated one the provider's name and id.
	username: {
		cognito: "username",
		type: "string",
		required: true,
		maxLength: 128,
		pattern: usernamePattern,
	},
	email: {
		cognito: "email",
		type: "string",
		required: true,
		maxLength: 254,
		pattern: /^[^\s\p{Cc}]+@[^\s\p{Cc}]+$/u,
		client: "readWrite",
	},
	emailVerified: { cognito: "email_verified", type: "boolean", required: true, client: "read" },
	name: { cognito: "name", type: "string", maxLength: 2048, client: "readWrite" },
	givenName: { cognito: "given_name", type: "string", maxLength: 2048, client: "readWrite" },
	familyName: { cognito: "family_name", type: "string", maxLength: 2048, client: "readWrite" },
} as const satisfies Record<CoreName, CoreAttribute> & Record<string, IdentityAttribute>;

/**
 * What the application owns of a user, as dynamodb-toolbox schemas; no sync touches it. To extend it, add an entry.
 * Keep each `optional()`, so that profiles stored before it existed still read.
 */
export const applicationAttributes = {
	displayName: string()
		.optional()
		.validate(
			(value) =>
				(value.length > 0 && value.length <= 100 && value.isWellFormed()) ||
				"must be 1 to 100 characters of well-formed Unicode",
		),
} satisfies Record<string, Schema> & { [Name in keyof Identity | keyof UserRecord]?: never };

/** The Cognito attribute that links an account to its profile: it holds the `userId`, and every ID token carries it. */
export const linkAttribute = "custom:userId";

/** What Cognito says about a person. Optional attributes are absent when Cognito holds none. */
export type Identity = {
	readonly [Name in RequiredName]: ValueOf<Registry[Name]>;
} & {
	readonly [Name in Exclude<keyof Registry, RequiredName>]?: ValueOf<Registry[Name]> | undefined;
};

/** What the application says about a person. */
export type ApplicationFields = {
	readonly [Name in keyof typeof applicationAttributes]?:
		| ValidValue<(typeof applicationAttributes)[Name]>
		| undefined;
};

/** What the store itself adds to a user. */
export interface UserRecord {
	/** The application's own id: a random UUID, made once. It outlives a user pool. */
	readonly userId: string;
	/** When the profile was made: ISO 8601, UTC. */
	readonly createdAt: string;
	/** When the profile was last written: ISO 8601, UTC. */
	readonly updatedAt: string;
	/** How often the identity was written: the optimistic lock of {@link Users.replaceIdentity}. */
	readonly identityVersion: number;
}

/** One person, as stored. */
export type User = Identity & ApplicationFields & UserRecord;

/** An account of the user pool: the person's identity, and the profile that the account is linked to, if any. */
export interface Account {
	readonly identity: Identity;
	readonly userId?: string;
}

/**
 * Checks that something is an identity. It throws for no input.
 *
 * @returns a new object with attributes of the registry and nothing else, or `InvalidIdentity` with every issue found:
 * attributes that are missing, of the wrong type, over their limits, or not in the registry.
 */
export function parseIdentity(input: unknown): Result<Identity, InvalidIdentity> {
	if (typeof input !== "object" || input === null) {
		return err({ type: "InvalidIdentity", issues: [{ path: "", message: "must be an object" }] });
	}
	const given = new Map<string, unknown>(Object.entries(input));
	const issues: Issue[] = [];
	const identity: Record<string, unknown> = {};
	for (const [name, attribute] of registry) {
		const value = given.get(name);
		given.delete(name);
		if (value === undefined && !("required" in attribute)) continue;
		const message = problemWith(value, attribute);
		if (message === undefined) identity[name] = value;
		else issues.push({ path: name, message });
	}
	for (const name of given.keys()) {
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
	for (const [name, { cognito, type }] of registry) {
		const text = given.get(cognito);
		if (text) identity[name] = fromText(text, type);
	}
	const userId = given.get(linkAttribute);
	return parseIdentity(identity).map((parsed) => ({
		identity: parsed,
		...(userId && { userId }),
	}));
}

/** Whether the stored user says about the person exactly what the identity says. */
export function hasIdentity(user: User, identity: Identity): boolean {
	return identityNames.every((name) => user[name] === identity[name]);
}

/** Whether a value may stand in an identity under this name. */
export function isIdentityValue(name: keyof Identity, value: unknown): boolean {
	return problemWith(value, identityAttributes[name]) === undefined;
}

// Object.keys and Object.entries forget the names that the registry's type knows.
export const identityNames = Object.keys(identityAttributes) as (keyof Identity)[];
const registry: readonly (readonly [string, IdentityAttribute])[] =
	Object.entries(identityAttributes);

function problemWith(value: unknown, attribute: IdentityAttribute): string | undefined {
	if (value === undefined) return "is required";
	if (typeof value !== attribute.type) return `must be a ${attribute.type}`;
	if (typeof value === "string" && attribute.type === "string") {
		if (value.length === 0) return "must not be empty";
		if (value.length > attribute.maxLength) {
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

type CoreName = "sub" | "username" | "email" | "emailVerified";

/** Where the app client may read an attribute, and where write it too. Let it write only what people may say about themselves. */
type ClientAccess = "read" | "readWrite";

/** The string attributes that every pool has; Cognito bounds each to 2,048 characters. */
type StandardAttributeName =
	| "address"
	| "birthdate"
	| "family_name"
	| "gender"
	| "given_name"
	| "locale"
	| "middle_name"
	| "name"
	| "nickname"
	| "phone_number"
	| "picture"
	| "preferred_username"
	| "profile"
	| "website"
	| "zoneinfo";

/** What the value of an attribute may be. */
export type AttributeType =
	| { readonly type: "string"; readonly maxLength: number }
	| { readonly type: "number"; readonly min: number; readonly max: number }
	| { readonly type: "boolean" };

type CoreAttribute = {
	readonly cognito: "sub" | "username" | "email" | "email_verified";
	readonly required: true;
	readonly pattern?: RegExp;
	readonly client?: ClientAccess;
} & AttributeType;

type StandardAttribute = {
	readonly cognito: StandardAttributeName;
	readonly type: "string";
	readonly maxLength: 2048;
	readonly client?: ClientAccess;
};

type CustomAttribute = {
	readonly cognito: `custom:${string}`;
	readonly client?: ClientAccess;
} & Extract<AttributeType, { type: "string" | "number" }>;

/** One entry of the registry. */
export type IdentityAttribute = CoreAttribute | StandardAttribute | CustomAttribute;

type Registry = typeof identityAttributes;

type RequiredName = {
	[Name in keyof Registry]: Registry[Name] extends { readonly required: true } ? Name : never;
}[keyof Registry];

type ValueOf<Attribute extends IdentityAttribute> = Attribute["type"] extends "number"
	? number
	: Attribute["type"] extends "boolean"
		? boolean
		: string;
