interface Key {
	readonly name: string;
	readonly type: "string" | "number" | "binary";
}

interface Index {
	readonly partitionKey: Key;
	readonly sortKey?: Key;
}

interface Definition {
	readonly partitionKey: Key;
	readonly sortKey: Key;
	readonly indexes: Readonly<Record<string, Index>>;
}

/** DynamoDB's letters for the types that a key may have. */
const LETTERS = { string: "S", number: "N", binary: "B" } as const;

/** What Pulumi's table declares of keys and indexes, made from the definition that the entities use. */
export function tableKeys({ partitionKey, sortKey, indexes }: Definition) {
	const indexKeys = Object.values(indexes).flatMap((index) => [
		index.partitionKey,
		...(index.sortKey ? [index.sortKey] : []),
	]);
	// Indexes may share a key, which is declared once.
	const keys = new Map([partitionKey, sortKey, ...indexKeys].map((key) => [key.name, key]));
	return {
		hashKey: partitionKey.name,
		rangeKey: sortKey.name,
		attributes: [...keys.values()].map(({ name, type }) => ({ name, type: LETTERS[type] })),
		globalSecondaryIndexes: Object.entries(indexes).map(([name, index]) => ({
			name,
			keySchemas: [
				{ attributeName: index.partitionKey.name, keyType: "HASH" as const },
				...(index.sortKey
					? [{ attributeName: index.sortKey.name, keyType: "RANGE" as const }]
					: []),
			],
			projectionType: "ALL" as const,
		})),
	};
}
