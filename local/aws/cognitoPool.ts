import type { Context } from "cognito-local/lib/services/context";
import type { DataStore } from "cognito-local/lib/services/dataStore/dataStore";
import {
	attribute,
	attributesAppend,
	attributeValue,
	type User,
	UserPoolServiceImpl,
} from "cognito-local/lib/services/userPoolService";

/** Keeps in memory what cognito-local would keep in a file; a key is a path of one or two names. */
export class MemoryStore implements DataStore {
	constructor(private readonly root: object) {}

	async get<T>(_: Context, key: string | string[], fallback: T | null = null): Promise<T> {
		const found = [key].flat().reduce((part, name) => Object(part)[name], this.root);
		return (found ?? fallback) as T; // cognito-local reads only what it has written there
	}

	async getRoot<T>(): Promise<T> {
		return this.root as T; // as above
	}

	async set(_: Context, key: string | string[], value: unknown): Promise<void> {
		Object.assign(this.parentOf(key), { [String([key].flat().at(-1))]: value });
	}

	async delete(_: Context, key: string | string[]): Promise<void> {
		delete this.parentOf(key)[String([key].flat().at(-1))];
	}

	private parentOf(key: string | string[]): Record<string, unknown> {
		const [parent] = [key].flat().slice(0, -1);
		if (parent === undefined) return Object(this.root);
		Object.assign(this.root, { [parent]: Object(this.root)[parent] ?? {} });
		return Object(this.root)[parent];
	}
}

/** cognito-local's user pool, where it differs from AWS's. */
export class UserPool extends UserPoolServiceImpl {
	/** AWS finds an account by its email in any case, when the pool says so. */
	override async getUserByUsername(context: Context, username: string): Promise<User | null> {
		const exact = await super.getUserByUsername(context, username);
		if (exact || this.options.UsernameConfiguration?.CaseSensitive !== false) return exact;
		const users = await this.listUsers(context);
		const email = ({ Attributes }: User) => attributeValue("email", Attributes)?.toLowerCase();
		return users.find((user) => email(user) === username.toLowerCase()) ?? null;
	}

	/** AWS takes the emailed code as proof of the email; an administrator's word proves nothing. */
	override async saveUser(context: Context, user: User): Promise<void> {
		const before = await super.getUserByUsername(context, user.Username);
		// ConfirmSignUp uses up the code, AdminConfirmSignUp leaves it.
		const byCode = before?.ConfirmationCode !== undefined && user.ConfirmationCode === undefined;
		const confirmed = before?.UserStatus === "UNCONFIRMED" && user.UserStatus === "CONFIRMED";
		if (byCode && confirmed && this.options.AutoVerifiedAttributes?.includes("email")) {
			// In place: the same object goes to PostConfirmation next.
			user.Attributes = attributesAppend(user.Attributes, attribute("email_verified", "true"));
		}
		await super.saveUser(context, user);
	}

	/** cognito-local would save the account as it was before PostAuthentication, which may change it. */
	override async storeRefreshToken(context: Context, token: string, user: User): Promise<void> {
		const now = await super.getUserByUsername(context, user.Username);
		if (now) await super.storeRefreshToken(context, token, now);
	}
}
