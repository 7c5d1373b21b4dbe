/** What a call was made to, in words: `user pool eu-west-1_a in eu-west-1`; and the flag that names it. */
export interface Target {
	readonly what: string;
	readonly flag: string;
}

/**
 * Says in one sentence why a call of AWS failed, and what to do about it. It holds no message of a service, which might
 * name a person.
 */
export function explain(cause: unknown, { what, flag }: Target): string {
	const { name = "UnknownError", code, message = "" } = Object(cause);
	switch (name) {
		case "CredentialsProviderError":
			return "There are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.";
		case "ExpiredTokenException":
		case "InvalidClientTokenId":
		case "InvalidSignatureException":
		case "UnrecognizedClientException":
			return `AWS does not accept the credentials (${name}): sign in again, or set others.`;
		case "AccessDeniedException":
		case "NotAuthorizedException":
			return `The credentials may not use ${what} (${name}): use others, or allow it in IAM.`;
		case "ResourceNotFoundException":
		case "InvalidParameterException":
		case "StateMachineDoesNotExist":
		case "InvalidArn":
			return `There is no ${what}: check ${flag} and --region.`;
		case "ValidationException":
			return `The ${what} is not one of this project (${name}): check ${flag}.`;
	}
	if (/region is missing/i.test(message)) {
		return "There is no AWS region: give --region, or set AWS_REGION.";
	}
	if (["ECONNREFUSED", "ENOTFOUND", "ETIMEDOUT", "EAI_AGAIN", "ECONNRESET"].includes(code)) {
		return `Nothing answers for ${what} (${code}): check --region, --endpoint and the network.`;
	}
	return `AWS did not answer for ${what} (${code ?? name}): try again later.`;
}
