import { errAsync, okAsync } from "neverthrow";
import type { Users } from "../user/users";
import type { UserPool } from "./record";

/**
 * Users and a user pool that read as the given ones do, write nothing, and answer as if they had written: what uses them
 * finds out what it would do.
 *
 * Cost: the reads of the given ones; `register` is a consistent GetItem.
 */
export function dryRun({
	users,
	userPool,
}: {
	readonly users: Users;
	readonly userPool: UserPool;
}): { readonly users: Users; readonly userPool: UserPool } {
	return {
		users: {
			findBySub: users.findBySub,
			findByEmail: users.findByEmail,
			findByUserId: users.findByUserId,
			register: (identity, userId = "") =>
				users
					.findBySub(identity.sub)
					.andThen((user) => errAsync({ type: "UserAlreadyExists" as const, user }))
					.orElse((error) => {
						if (error.type !== "UserNotFound") return errAsync(error);
						const now = new Date().toISOString();
						return okAsync({
							...identity,
							userId,
							createdAt: now,
							updatedAt: now,
							identityVersion: 1,
							emailClaim: "",
						});
					}),
			replaceIdentity: (user, identity) => okAsync({ ...user, ...identity }),
			update: (sub) => users.findBySub(sub),
			remove: () => okAsync(undefined),
		},
		userPool: {
			findAccount: (username) => userPool.findAccount(username),
			findUsername: (sub) => userPool.findUsername(sub),
			link: () => okAsync(undefined),
		},
	};
}
