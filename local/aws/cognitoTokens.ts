import { sign } from "node:crypto";
import { pem } from "cognito-local/lib/keys/cognitoLocal.private.json";
import { jwk } from "cognito-local/lib/keys/cognitoLocal.public.json";

/** The claims that are read here. */
interface Claims {
	sub?: string;
	client_id?: string;
	jti?: string;
	origin_jti?: string;
	/** What it is: a refresh token of cognito-local's does not say. */
	token_use?: string;
	iat?: number;
	exp?: number;
}

/** What Cognito's answer to a sign-in or a refresh holds. */
interface AuthenticationResult {
	AccessToken: string;
	IdToken: string;
	RefreshToken?: string;
}

/** What a token says; nothing, if it is none. */
export function claimsOf(token = ""): Claims {
	const [, claims] = token.split(".");
	if (claims === undefined) return {}; // most requests have none
	try {
		return JSON.parse(Buffer.from(claims, "base64url").toString());
	} catch {
		return {};
	}
}

/** The id of the sign-in that a token goes back to: that of its refresh token. */
export function signInOf(token?: string): string | undefined {
	const { origin_jti, jti } = claimsOf(token);
	return origin_jti ?? jti;
}

/**
 * The tokens of a sign-in or a refresh, as AWS has them: by claims that cognito-local leaves out, they tell the id and the time of the
 * sign-in that they go back to.
 *
 * @param used - the refresh token that they were got with, if they were.
 */
export function asOneSignIn(result: AuthenticationResult, used = result.RefreshToken) {
	const { iat: auth_time } = claimsOf(used);
	const origin_jti = signInOf(used);
	const { iat = 0, exp = 0 } = claimsOf(result.AccessToken);
	const completed = (token: string) => {
		const [header] = token.split(".");
		const claims = JSON.stringify({ ...claimsOf(token), origin_jti, auth_time });
		const content = `${header}.${Buffer.from(claims).toString("base64url")}`;
		return `${content}.${sign("sha256", Buffer.from(content), pem).toString("base64url")}`;
	};
	return {
		...result,
		AccessToken: completed(result.AccessToken),
		IdToken: completed(result.IdToken),
		ExpiresIn: exp - iat,
		TokenType: "Bearer",
	};
}

/** A document by which a pool's tokens are verified: https://openid.net/specs/openid-connect-discovery-1_0.html */
export function openIdDocument(name: string, issuer: string): object {
	if (name === "jwks.json") return { keys: [jwk] };
	return {
		issuer,
		jwks_uri: `${issuer}/.well-known/jwks.json`,
		id_token_signing_alg_values_supported: [jwk.alg],
		response_types_supported: ["code", "token"],
		subject_types_supported: ["public"],
	};
}
