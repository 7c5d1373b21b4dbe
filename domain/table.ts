import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { Entity } from "dynamodb-toolbox/entity";
import type { SchemaRequiredProp } from "dynamodb-toolbox/schema";
import { type BooleanSchema, boolean } from "dynamodb-toolbox/schema/boolean";
import { item } from "dynamodb-toolbox/schema/item";
import { type NumberSchema, number } from "dynamodb-toolbox/schema/number";
import { type StringSchema, string } from "dynamodb-toolbox/schema/string";
import { Table } from "dynamodb-toolbox/table";
import { prefix } from "dynamodb-toolbox/transformers/prefix";
import { applicationAttributes, type IdentityAttribute, identityAttributes } from "./user/identity";

/** The keys and indexes of the single table: what the Pulumi program declares, and what the entities use. */
export const tableDefinition = {
	partitionKey: { name: "PK", type: "string" },
	sortKey: { name: "SK", type: "string" },
	indexes: {
		GSI1: {
			type: "global",
			partitionKey: { name: "GSI1PK", type: "string" },
			sortKey: { name: "GSI1SK", type: "string" },
		},
	},
} as const;

/** Where a user's profile lies. */
export const profileKey = (sub: string) => ({ PK: `USER#${sub}`, SK: "PROFILE" });

/**
 * The index partition of whoever holds an email, in whatever case it is written. The Kelvin sign stays as it is: it is the one
 * character outside ASCII whose lowercase is inside, and would find the person with a "k" in its place.
 */
export const emailPartition = (email: string) =>
	`EMAIL#${email.replace(/[^\u212a]+/g, (part) => part.toLowerCase())}`;

/** The User entity on the single table; a user's other items go under the same partition key, with sort keys of their own. */
export function userEntity(tableName: string, documentClient: DynamoDBDocumentClient) {
	return new Entity({
		name: "User",
		table: new Table({ ...tableDefinition, name: tableName, documentClient }),
		schema: item({
			...identitySchemas,
			...applicationAttributes,
			sub: string().key().savedAs("PK").transform(prefix("USER")),
			SK: string().key().const("PROFILE").hidden(),
			GSI1PK: string().hidden(),
			// When this profile took this email: of several that claim it, the newest is found.
			GSI1SK: string().hidden(),
			// What kind of item it is. The entity's own attribute and timestamps would be written again by each update.
			type: string().const("User").savedAs("_et").hidden(),
			userId: string(),
			identityVersion: number(),
			createdAt: string(),
			updatedAt: string(),
		}),
		entityAttribute: false,
		timestamps: false,
	});
}

type Registry = typeof identityAttributes;

type SchemaOf<
	Attribute extends IdentityAttribute,
	Required extends SchemaRequiredProp = Attribute extends { readonly required: true }
		? "atLeastOnce"
		: "never",
> = Attribute["type"] extends "number"
	? NumberSchema<{ required: Required }>
	: Attribute["type"] extends "boolean"
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
	Object.entries(identityAttributes).map(([name, attribute]) => [name, schemaOf(attribute)]),
);
// Object.fromEntries forgets which name has which schema.
const identitySchemas = schemas as { [Name in keyof Registry]: SchemaOf<Registry[Name]> };
