interface Key {
	readonly name: string;
	readonly type: "string" | "number" | "binary";
}

interface KeyPair {
	readonly partitionKey: Key;
	readonly sortKey: Key;
}

/** DynamoDB's letters for the types that a key may have. */
const LETTERS = { string: "S", number: "N", binary: "B" } as const;

/** What Pulumi's table declares of keys and indexes, made from the definition that the entities use. */
export function tableKeys(
	definition: KeyPair & { readonly indexes: Readonly<Record<string, KeyPair>> },
) {
	const { partitionKey, sortKey, indexes } = definition;
	const pairs = [definition, ...Object.values(indexes)];
	// Indexes may share a key, which is declared once.
	const keys = new Map(
		pairs.flatMap((pair) => [pair.partitionKey, pair.sortKey]).map((key) => [key.name, key]),
	);
	return {
		hashKey: partitionKey.name,
		rangeKey: sortKey.name,
		attributes: [...keys.values()].map(({ name, type }) => ({ name, type: LETTERS[type] })),
		globalSecondaryIndexes: Object.entries(indexes).map(([name, index]) => ({
			name,
			keySchemas: [
				{ attributeName: index.partitionKey.name, keyType: "HASH" as const },
				{ attributeName: index.sortKey.name, keyType: "RANGE" as const },
			],
			projectionType: "ALL" as const,
		})),
	};
}
