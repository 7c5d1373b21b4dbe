/**
 * Cognito's own pattern: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminGetUser.html
 * A name in ASCII, as almost all are, is matched without Unicode's classes, which V8 takes milliseconds of a cold start to compile.
 */
const usernamePattern: Pattern = {
	test: (name) => /^[!-~]+$/.test(name) || /^[\p{L}\p{M}\p{S}\p{N}\p{P}]+$/u.test(name),
};

/** The attributes without which there is no identity. To extend the user, see attributes.ts. */
export const coreAttributes = {
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
} as const satisfies Readonly<Record<string, CoreAttribute>>;

/** The Cognito attribute that links an account to its profile: it holds the `userId`, and every ID token carries it. */
export const linkAttribute = "custom:userId";

/**
 * The string attributes that every pool has; Cognito bounds each to 2,048 characters:
 * https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
 */
export const standardAttributes = [
	"address",
	"birthdate",
	"family_name",
	"gender",
	"given_name",
	"locale",
	"middle_name",
	"name",
	"nickname",
	"phone_number",
	"picture",
	"preferred_username",
	"profile",
	"website",
	"zoneinfo",
] as const;

/** What the value of an attribute may be. */
export type AttributeType =
	| { readonly type: "string"; readonly maxLength: number }
	| { readonly type: "number"; readonly min: number; readonly max: number }
	| { readonly type: "boolean" };

/** Where the app client may read an attribute, and where write it too. Let it write only what people may say about themselves. */
type ClientAccess = "read" | "readWrite";

/** A regular expression, or what tests a text as one does. */
type Pattern = Pick<RegExp, "test">;

type CoreAttribute = {
	readonly cognito: "sub" | "username" | "email" | "email_verified";
	readonly required: true;
	readonly pattern?: Pattern;
	readonly client?: ClientAccess;
} & AttributeType;

interface StandardAttribute {
	readonly cognito: (typeof standardAttributes)[number];
	readonly type: "string";
	readonly maxLength: 2048;
	readonly client?: ClientAccess;
}

type CustomAttribute = {
	readonly cognito: `custom:${string}`;
	readonly client?: ClientAccess;
} & Extract<AttributeType, { type: "string" | "number" }>;

/** An entry of `identityAttributes`: one of Cognito's standard attributes, or one of your own. */
export type IdentityEntry = StandardAttribute | CustomAttribute;

/** Any attribute of an identity. */
export type IdentityAttribute = CoreAttribute | IdentityEntry;
