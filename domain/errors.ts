import { isServerError, isThrottlingError, isTransientError } from "@smithy/core/retry";

/** One thing that is wrong with an input: where (`""` is the input as a whole), and what. Never holds the value itself. */
export interface Issue {
	readonly path: string;
	readonly message: string;
}

/** What came in is not a user. Nothing was written; the same input will fail again. */
export interface InvalidIdentity {
	readonly type: "InvalidIdentity";
	readonly issues: readonly Issue[];
}

/** The change is not one that the application may make. Nothing was written; the same change will fail again. */
export interface InvalidUpdate {
	readonly type: "InvalidUpdate";
	readonly issues: readonly Issue[];
}

/** The event is not one of ours: not JSON, of another version, or from another source; or it is one that EventBridge does not take. */
export interface InvalidEvent {
	readonly type: "InvalidEvent";
	readonly issues: readonly Issue[];
}

/** There is a profile for this `sub` already; it is `user`, unchanged. */
export interface UserAlreadyExists<User> {
	readonly type: "UserAlreadyExists";
	readonly user: User;
}

/** No profile has this `sub`, email or `userId`. */
export interface UserNotFound {
	readonly type: "UserNotFound";
}

/** Somebody else wrote or removed the profile in between. Retry. */
export interface ConcurrentUpdate {
	readonly type: "ConcurrentUpdate";
}

/** A stored item of an entity does not parse: `CorruptUser`. It needs a person: retrying reads the same item. */
export interface CorruptItem<EntityName extends string> {
	readonly type: `Corrupt${EntityName}`;
	readonly issues: readonly Issue[];
}

export type CorruptUser = CorruptItem<"User">;

/** What came in is no item of an entity: `InvalidOrder`. Nothing was written; the same input will fail again. */
export interface InvalidItem<EntityName extends string> {
	readonly type: `Invalid${EntityName}`;
	readonly issues: readonly Issue[];
}

/** DynamoDB throttled, timed out or refused. `retryable` says whether the same call may succeed later. */
export interface StoreUnavailable {
	readonly type: "StoreUnavailable";
	readonly retryable: boolean;
	readonly cause: unknown;
}

/** The user pool holds no such account, or no longer. */
export interface AccountNotFound {
	readonly type: "AccountNotFound";
}

/** Cognito throttled, timed out or refused. `retryable` says whether the same call may succeed later. */
export interface UserPoolUnavailable {
	readonly type: "UserPoolUnavailable";
	readonly retryable: boolean;
	readonly cause: unknown;
}

/** The user pool no longer takes the token of a page: its listing begins anew. */
export interface PageExpired {
	readonly type: "PageExpired";
}

/** Whether what an AWS SDK client threw may pass by itself: throttling, a time-out, a lost connection, an error of the server. */
export function isRetryable(cause: unknown): boolean {
	// The SDK's own classification, which declares less than the errors it is given.
	const error = cause as Parameters<typeof isTransientError>[0];
	return (
		cause instanceof Error &&
		(isThrottlingError(error) || isTransientError(error) || isServerError(error))
	);
}
