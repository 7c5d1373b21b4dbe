import type { Schema } from "dynamodb-toolbox/schema";
import { string } from "dynamodb-toolbox/schema/string";
import type { tableDefinition } from "../table";
import type { storeAttributes } from "./keys";
import type { coreAttributes, IdentityEntry } from "./registry";

/**
 * What Cognito owns of a user, beside sub, username and email, and overwrites.
 *
 * This is the one place where such an attribute is declared. From its entry follow the pool's schema, what the app client may
 * read and write, the event, the stored attribute, its validation and its type. To extend the user, add an entry: one of
 * Cognito's standard attributes, or one of your own as `custom:`.
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
	name: { cognito: "name", type: "string", maxLength: 2048, client: "readWrite" },
	givenName: { cognito: "given_name", type: "string", maxLength: 2048, client: "readWrite" },
	familyName: { cognito: "family_name", type: "string", maxLength: 2048, client: "readWrite" },
} as const satisfies Entries<IdentityEntry, typeof coreAttributes>;

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
} satisfies Entries<Schema, typeof coreAttributes & typeof identityAttributes>;

/** Entries by name; a name that the store or another registry has does not compile. */
type Entries<Entry, Others> = Readonly<Record<string, Entry>> & {
	readonly [Name in
		| (typeof tableDefinition)["partitionKey"]["name"]
		| keyof typeof storeAttributes
		| keyof Others]?: never;
};
