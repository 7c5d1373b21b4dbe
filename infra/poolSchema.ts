import type * as aws from "@pulumi/aws";

/** An attribute of a user pool, by its name in Cognito, and what the app client may do with it. */
export type PoolAttribute = {
	readonly cognito: string;
	readonly required?: true;
	readonly client?: "read" | "readWrite";
} & (
	| { readonly type: "string"; readonly maxLength: number }
	| { readonly type: "number"; readonly min: number; readonly max: number }
	| { readonly type: "boolean" }
);

/**
 * The attributes that a pool must be told of: the `custom:` ones, and that an email is required and how long it may be. The
 * standard ones are in every pool, and a pool that exists takes no others than `custom:` ones:
 * https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AddCustomAttributes.html
 */
export function poolSchemas(
	attributes: readonly PoolAttribute[],
): aws.types.input.cognito.UserPoolSchema[] {
	return attributes
		.filter(({ cognito }) => cognito === "email" || cognito.startsWith("custom:"))
		.map((attribute) => ({
			name: attribute.cognito.replace("custom:", ""),
			mutable: true,
			required: attribute.required ?? false,
			...typeAndConstraints(attribute),
		}));
}

/** The Cognito names of the attributes to which the app client has one of these accesses. */
export function attributesFor(
	attributes: readonly PoolAttribute[],
	...accesses: readonly PoolAttribute["client"][]
): string[] {
	return attributes
		.filter(({ client }) => client !== undefined && accesses.includes(client))
		.map(({ cognito }) => cognito);
}

function typeAndConstraints(attribute: PoolAttribute) {
	switch (attribute.type) {
		case "string":
			return {
				attributeDataType: "String",
				stringAttributeConstraints: { minLength: "0", maxLength: String(attribute.maxLength) },
			};
		case "number":
			return {
				attributeDataType: "Number",
				numberAttributeConstraints: {
					minValue: String(attribute.min),
					maxValue: String(attribute.max),
				},
			};
		case "boolean":
			return { attributeDataType: "Boolean" };
	}
}
