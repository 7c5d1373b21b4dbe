import { Entity } from "dynamodb-toolbox/entity";
import type { Schema, ValidValue } from "dynamodb-toolbox/schema";
import { Formatter } from "dynamodb-toolbox/schema/actions/format";
import { type BooleanSchema, boolean } from "dynamodb-toolbox/schema/boolean";
import { item } from "dynamodb-toolbox/schema/item";
import { type NumberSchema, number } from "dynamodb-toolbox/schema/number";
import { type StringSchema, string } from "dynamodb-toolbox/schema/string";
import { err, ok, type Result } from "neverthrow";
import type { CorruptUser } from "../errors";
import { storedIssues } from "../issues";
import { readerOf } from "../itemReader";
import type { SingleTable } from "../table";
import { applicationAttributes } from "./attributes";
import { type Identity, identityEntries, type registry } from "./identity";
import { storeAttributes, subKey } from "./keys";
import type { coreAttributes, IdentityAttribute } from "./registry";

/** What the application says about a person. */
export type ApplicationFields = {
	readonly [Name in keyof typeof applicationAttributes]?:
		| ValidValue<(typeof applicationAttributes)[Name]>
		| undefined;
};

/** What the store itself adds to a user. */
export interface UserRecord {
	/**
	 * The application's own id: a random UUID, made once. It stays as long as the profile or the account's link has it: a profile
	 * that is lost comes back under it.
	 */
	readonly userId: string;
	/** When the profile was made: ISO 8601, UTC. */
	readonly createdAt: string;
	/** When the profile was last written: ISO 8601, UTC. */
	readonly updatedAt: string;
	/** How often the identity was written: the optimistic lock of {@link Users.replaceIdentity}. */
	readonly identityVersion: number;
	/** How this profile claims its email, and since when: what {@link Users.findByEmail} goes by. */
	readonly emailClaim: string;
}

/** One person, as stored. */
export type User = Identity & ApplicationFields & UserRecord;

type SchemaOf<Attribute, Required extends "atLeastOnce" | "never"> = Attribute extends {
	readonly type: "number";
}
	? NumberSchema<{ required: Required }>
	: Attribute extends { readonly type: "boolean" }
		? BooleanSchema<{ required: Required }>
		: StringSchema<{ required: Required }>;

function schemaOf(attribute: IdentityAttribute) {
	const required = "required" in attribute ? "atLeastOnce" : "never";
	switch (attribute.type) {
		case "string":
			return string({ required });
		case "number":
			return number({ required });
		case "boolean":
			return boolean({ required });
	}
}

const schemas: Record<string, unknown> = Object.fromEntries(
	identityEntries.map(([name, attribute]) => [name, schemaOf(attribute)]),
);
// Object.fromEntries forgets which name has which schema.
const identitySchemas = schemas as {
	[Name in keyof typeof registry]: SchemaOf<
		(typeof registry)[Name],
		Name extends keyof typeof coreAttributes ? "atLeastOnce" : "never"
	>;
};

/** Everything that is stored of a user. */
export const userSchema = item({
	...identitySchemas,
	...applicationAttributes,
	...storeAttributes,
	sub: subKey(),
});

/** The User entity on the single table. */
export function userEntity(table: SingleTable) {
	return new Entity({
		name: "User",
		table,
		schema: userSchema,
		entityAttribute: false,
		timestamps: false,
	});
}

/** Every attribute of a {@link User}: of what is stored, all but what the store keeps to itself. */
export const userAttributes: Readonly<Record<string, Schema>> = Object.fromEntries(
	Object.entries<Schema>(userSchema.attributes).filter(([, { props }]) => !props.hidden),
);

const readStored = readerOf(userSchema);
const formattedUser = new Formatter(item(userAttributes));

/** Reads a stored item, as it lies in the table. It throws for no input. */
export const readUser = (item: unknown): Result<User, CorruptUser> =>
	reading(() => readStored(item));

/** Reads what was a {@link User} before it was sent. It throws for no input. */
export const readFormattedUser = (user: unknown): Result<User, CorruptUser> =>
	// The schema of a registry's entries, which knows their names no more.
	reading(() => formattedUser.format(user, { transform: false }) as unknown as User);

function reading(format: () => User): Result<User, CorruptUser> {
	try {
		return ok(format());
	} catch (error) {
		const issues = storedIssues(error) ?? [{ path: "", message: "cannot be read" }];
		return err({ type: "CorruptUser", issues });
	}
}
