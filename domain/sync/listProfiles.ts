import { ScanCommand } from "@aws-sdk/lib-dynamodb";
import { ResultAsync } from "neverthrow";
import type { StoreUnavailable } from "../errors";
import { type SingleTable, unavailable } from "../table";
import { profileKey } from "../user/keys";
import type { Listing } from "./page";

/** Whose a stored profile is. It has no `username` if the item is corrupt. */
export interface ProfileOwner {
	readonly sub: string;
	readonly username: string | undefined;
}

/** How many items a page reads: no more than Cognito can be asked about in a few seconds. */
const pageSize = 500;

/**
 * Lists whose profiles a table holds, for maintenance: it reads the whole table, other items included. A token is the key after
 * which to go on, as JSON. Eventually consistent: what is written meanwhile may show or not.
 *
 * Cost: a Scan, 0.5 read units for each 4 KB of the table; one round trip for each 500 items, or each MB.
 */
export function listProfiles(table: SingleTable): Listing<ProfileOwner, StoreUnavailable> {
	// The key of a sub of no length: what those of all profiles begin with.
	const { PK: prefix, SK: profile } = profileKey("");
	const scan = async (token?: string) => {
		const { Items = [], LastEvaluatedKey } = await table.getDocumentClient().send(
			new ScanCommand({
				TableName: table.getName(),
				ProjectionExpression: "PK, username",
				FilterExpression: "SK = :profile AND begins_with(PK, :prefix)",
				ExpressionAttributeValues: { ":profile": profile, ":prefix": prefix },
				Limit: pageSize,
				...(token !== undefined && { ExclusiveStartKey: JSON.parse(token) }),
			}),
		);
		return {
			items: Items.map(({ PK, username }) => ({
				sub: String(PK).slice(prefix.length),
				username: typeof username === "string" ? username : undefined,
			})),
			next: LastEvaluatedKey && JSON.stringify(LastEvaluatedKey),
		};
	};
	return (token) => ResultAsync.fromPromise(scan(token), unavailable);
}
