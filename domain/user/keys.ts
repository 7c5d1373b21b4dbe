import { number } from "dynamodb-toolbox/schema/number";
import { string } from "dynamodb-toolbox/schema/string";
import { prefix } from "dynamodb-toolbox/transformers/prefix";

const ofUser = prefix("USER");

/** The partition key of all items of a user: the profile, and whatever else belongs to the person. */
export const userPartition = (sub: string) => ofUser.encode(sub);

/** The attribute `sub` of an entity that lies in its user's partition, the User itself and those beside it. */
export const subKey = () => string().key().savedAs("PK").transform(ofUser);

/** Whose partition has a key. */
export const subOfPartition = (partition: string) => ofUser.decode(partition);

/** The sort key of every profile, and of nothing else. */
export const profileSortKey = "PROFILE";

/** Where a user's profile lies. */
export const profileKey = (sub: string) => ({ PK: userPartition(sub), SK: profileSortKey });

/**
 * The index partition of whoever holds an email, in whatever case it is written. The Kelvin sign (U+212A) stays as it is: of all
 * characters outside ASCII its lowercase alone, "k", is in ASCII, and would find somebody else's email.
 */
export const emailPartition = (email: string) =>
	`EMAIL#${email.replace(/[^\u212a]+/g, (part) => part.toLowerCase())}`;

/**
 * How a profile claims its email, as the sort key of its index partition: verified claims come after unverified ones, and among
 * equals the newer after the older, so that the last is found. What the first version of this project wrote is a time alone, which
 * comes before all of these.
 */
export const emailClaim = (verified: boolean, since: string) =>
	`${verified ? "VERIFIED" : "UNVERIFIED"}#${since}`;

/** The time since which a profile claims its email so: ISO 8601, UTC. */
export const claimedSince = (claim: string) => claim.replace(/^.*#/, "");

/** The index partition of the profile that has a userId. */
export const userIdPartition = (userId: string) => `ID#${userId}`;

/** What the store itself keeps in a profile, beside the attributes of the registries. No attribute may have one of these names. */
export const storeAttributes = {
	SK: string().key().const(profileSortKey).hidden(),
	GSI1PK: string().hidden(),
	emailClaim: string().savedAs("GSI1SK"),
	// Profiles from before this index existed have none.
	GSI2PK: string().optional().hidden(),
	GSI2SK: string().optional().const("USER").hidden(),
	// What kind of item it is, in place of dynamodb-toolbox's own attribute, which each update would write again.
	type: string().const("User").savedAs("_et").hidden(),
	userId: string(),
	identityVersion: number(),
	createdAt: string(),
	updatedAt: string(),
};
