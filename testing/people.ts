import {
	AdminConfirmSignUpCommand,
	AdminCreateUserCommand,
	AdminDeleteUserCommand,
	AdminGetUserCommand,
	AdminSetUserPasswordCommand,
	AdminUpdateUserAttributesCommand,
	type AuthenticationResultType,
	CognitoIdentityProviderClient,
	ConfirmForgotPasswordCommand,
	ConfirmSignUpCommand,
	DeleteUserCommand,
	ForgotPasswordCommand,
	InitiateAuthCommand,
	RespondToAuthChallengeCommand,
	SignUpCommand,
	UpdateUserAttributesCommand,
	VerifyUserAttributeCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { attributesByName } from "../adapters/userPool";
import type { Stack } from "../local/stack";

const password = "Analytical-1843";
const temporaryPassword = "Temporary-1842";

/** What persons and administrators do in the user pool of an embedded stack, each with one call of Cognito. */
export class People {
	readonly #cognito: CognitoIdentityProviderClient;
	readonly #stack: Stack;
	readonly #client: { readonly ClientId: string | undefined };
	readonly #pool: { readonly UserPoolId: string | undefined };

	constructor(stack: Stack) {
		this.#cognito = new CognitoIdentityProviderClient({
			...stack.clientOptions,
			// A crowd shares 50 connections, and waits for one without a warning.
			requestHandler: { socketAcquisitionWarningTimeout: 60_000 },
		});
		this.#stack = stack;
		this.#client = { ClientId: stack.outputs.userPoolClientId };
		this.#pool = { UserPoolId: stack.outputs.userPoolId };
	}

	/** A person signs up; answers the sub. */
	async signUp(email: string, attributes: Record<string, string> = {}): Promise<string> {
		const { UserSub } = await this.#cognito.send(
			new SignUpCommand({
				...this.#client,
				Username: email,
				Password: password,
				UserAttributes: toAttributes({ email, ...attributes }),
			}),
		);
		return String(UserSub);
	}

	/** A person confirms with the code that was mailed. */
	async confirm(email: string): Promise<void> {
		const ConfirmationCode = this.#stack.codeFor(email);
		await this.#cognito.send(
			new ConfirmSignUpCommand({ ...this.#client, Username: email, ConfirmationCode }),
		);
	}

	/** A person forgets the password, and sets it anew with the code that was mailed. */
	async forgetPassword(email: string): Promise<void> {
		const account = { ...this.#client, Username: email };
		await this.#cognito.send(new ForgotPasswordCommand(account));
		const ConfirmationCode = this.#stack.codeFor(email);
		await this.#cognito.send(
			new ConfirmForgotPasswordCommand({ ...account, ConfirmationCode, Password: password }),
		);
	}

	/** A person signs in, with a new password where Cognito asks for one; answers the claims of the ID token. */
	async signIn(email: string): Promise<Record<string, unknown>> {
		const [, claims = ""] = String((await this.#tokens(email))?.IdToken).split(".");
		return JSON.parse(Buffer.from(claims, "base64url").toString());
	}

	/** A person signs in, and changes attributes of their own account. */
	async changeOwn(email: string, attributes: Record<string, string>): Promise<void> {
		const AccessToken = (await this.#tokens(email))?.AccessToken;
		const UserAttributes = toAttributes(attributes);
		await this.#cognito.send(new UpdateUserAttributesCommand({ AccessToken, UserAttributes }));
	}

	/** A person signs in, and changes the email of their own account, which stays as it is until {@link verifyEmail}. */
	async changeEmail(email: string, newEmail: string): Promise<void> {
		await this.changeOwn(email, { email: newEmail });
	}

	/** A person signs in with the old email, and verifies the new one with the code that was mailed there. */
	async verifyEmail(email: string, newEmail: string): Promise<void> {
		const AccessToken = (await this.#tokens(email))?.AccessToken;
		const Code = this.#stack.codeFor(newEmail);
		await this.#cognito.send(
			new VerifyUserAttributeCommand({ AccessToken, AttributeName: "email", Code }),
		);
	}

	/** A person signs in, and deletes their own account. */
	async deleteOwn(email: string): Promise<void> {
		const AccessToken = (await this.#tokens(email))?.AccessToken;
		await this.#cognito.send(new DeleteUserCommand({ AccessToken }));
	}

	async #tokens(email: string): Promise<AuthenticationResultType | undefined> {
		const begin = (PASSWORD: string) =>
			this.#cognito.send(
				new InitiateAuthCommand({
					...this.#client,
					AuthFlow: "USER_PASSWORD_AUTH",
					AuthParameters: { USERNAME: email, PASSWORD },
				}),
			);
		const { AuthenticationResult } = await begin(password).catch(async () => {
			const { ChallengeName, Session } = await begin(temporaryPassword);
			return this.#cognito.send(
				new RespondToAuthChallengeCommand({
					...this.#client,
					ChallengeName,
					Session,
					ChallengeResponses: { USERNAME: email, NEW_PASSWORD: password },
				}),
			);
		});
		return AuthenticationResult;
	}

	/** An administrator makes an account, with a verified email and a temporary password; answers the sub. */
	async create(email: string): Promise<string> {
		const { User } = await this.#cognito.send(
			new AdminCreateUserCommand({
				...this.#pool,
				Username: email,
				TemporaryPassword: temporaryPassword,
				MessageAction: "SUPPRESS",
				UserAttributes: toAttributes({ email, email_verified: "true" }),
			}),
		);
		return String(User?.Attributes?.find(({ Name }) => Name === "sub")?.Value);
	}

	/**
	 * An administrator makes an account, as {@link create} does, and sets its password for good: it is confirmed, and no trigger
	 * has been told of it, as after an import.
	 */
	async admit(email: string): Promise<string> {
		const sub = await this.create(email);
		await this.setPassword(sub);
		return sub;
	}

	/** An administrator sets the password of an account for good, which confirms it; by its email or username. */
	async setPassword(username: string): Promise<void> {
		await this.#cognito.send(
			new AdminSetUserPasswordCommand({
				...this.#pool,
				Username: username,
				Password: password,
				Permanent: true,
			}),
		);
	}

	/** An administrator confirms a sign-up. */
	async approve(email: string): Promise<void> {
		await this.#cognito.send(new AdminConfirmSignUpCommand({ ...this.#pool, Username: email }));
	}

	/** An administrator changes attributes of an account. */
	async change(email: string, attributes: Record<string, string>): Promise<void> {
		await this.#cognito.send(
			new AdminUpdateUserAttributesCommand({
				...this.#pool,
				Username: email,
				UserAttributes: toAttributes(attributes),
			}),
		);
	}

	/** An administrator deletes an account. */
	async delete(email: string): Promise<void> {
		await this.#cognito.send(new AdminDeleteUserCommand({ ...this.#pool, Username: email }));
	}

	/** The attributes of an account, as Cognito names them. */
	async attributes(email: string): Promise<Record<string, string | undefined>> {
		const { UserAttributes } = await this.#cognito.send(
			new AdminGetUserCommand({ ...this.#pool, Username: email }),
		);
		return attributesByName(UserAttributes);
	}
}

const toAttributes = (attributes: Record<string, string>) =>
	Object.entries(attributes).map(([Name, Value]) => ({ Name, Value }));
