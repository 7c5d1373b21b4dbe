import { paginateScan } from "@aws-sdk/lib-dynamodb";
import { err, ok, type Result } from "neverthrow";
import type { StoreUnavailable } from "../errors";
import { type SingleTable, unavailable } from "../table";
import { profileKey } from "../user/keys";

/** Whose a stored profile is. It has no `username` if the item is corrupt. */
export interface ProfileOwner {
	readonly sub: string;
	readonly username: string | undefined;
}

/**
 * Lists whose profiles a table holds, page by page, for maintenance: it reads the whole table, other items included.
 * Eventually consistent: what is written meanwhile may show or not. It never throws.
 *
 * Cost: a Scan, 0.5 read units for each 4 KB of the table; one round trip for each MB.
 *
 * @returns pages; the last is an error if the table could not be read to its end
 */
export async function* listProfiles(
	table: SingleTable,
): AsyncGenerator<Result<readonly ProfileOwner[], StoreUnavailable>> {
	// The key of a sub of no length: what those of all profiles begin with.
	const { PK: prefix, SK: profile } = profileKey("");
	const pages = paginateScan(
		{ client: table.getDocumentClient() },
		{
			TableName: table.getName(),
			ProjectionExpression: "PK, username",
			FilterExpression: "SK = :profile AND begins_with(PK, :prefix)",
			ExpressionAttributeValues: { ":profile": profile, ":prefix": prefix },
		},
	);
	try {
		for await (const { Items = [] } of pages) {
			yield ok(
				Items.map(({ PK, username }) => ({
					sub: String(PK).slice(prefix.length),
					username: typeof username === "string" ? username : undefined,
				})),
			);
		}
	} catch (cause) {
		yield err(unavailable(cause));
	}
}
