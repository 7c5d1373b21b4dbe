import { ServiceError } from "../endpoint";
import { type Declared, declared, type Program } from "../program";

type Policy = NonNullable<Declared<"aws:cognito/userPool:UserPool">["inputs"]["passwordPolicy"]>;

/** That of a pool that declares none. */
const DEFAULT: Policy = {
	minimumLength: 8,
	requireLowercase: true,
	requireNumbers: true,
	requireSymbols: true,
	requireUppercase: true,
};

/** The fields of Cognito's requests that hold a password to be set. */
interface Request {
	Password?: string;
	ProposedPassword?: string;
	TemporaryPassword?: string;
	ChallengeResponses?: { NEW_PASSWORD?: string };
}

/**
 * Throws `InvalidPasswordException` if a request would set a password that the pool's policy does not allow, which cognito-local lets
 * pass: https://docs.aws.amazon.com/cognito/latest/developerguide/managing-users-passwords.html
 */
export function refuseWeakPassword(program: Program, request: Request): void {
	const { Password, ProposedPassword, TemporaryPassword, ChallengeResponses } = request;
	const password =
		Password ?? ProposedPassword ?? TemporaryPassword ?? ChallengeResponses?.NEW_PASSWORD;
	if (password === undefined) return;
	const [pool] = declared(program, "aws:cognito/userPool:UserPool");
	const policy = pool?.inputs.passwordPolicy ?? DEFAULT;
	const why =
		(password.length < (policy.minimumLength ?? 8) && "not long enough") ||
		(policy.requireLowercase && !/[a-z]/.test(password) && "must have lowercase characters") ||
		(policy.requireUppercase && !/[A-Z]/.test(password) && "must have uppercase characters") ||
		(policy.requireNumbers && !/[0-9]/.test(password) && "must have numeric characters") ||
		(policy.requireSymbols && !/[^a-z0-9]/i.test(password) && "must have symbol characters");
	if (!why) return;
	const message = `Password did not conform with policy: Password ${why}`;
	throw new ServiceError("InvalidPasswordException", message);
}
