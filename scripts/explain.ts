/** What a call was made to, in words: `user pool eu-west-1_a in eu-west-1`; and the flag that names it. */
export interface Target {
	readonly what: string;
	readonly flag: string;
}

/** What is thrown where an answer lacks what AWS always answers: some servers answer anything with an empty object. */
export class NotAws extends Error {
	override readonly name = "NotAws";
}

/**
 * Says in one sentence why a call of AWS failed, and what to do about it. It holds no message of a service, which might
 * name a person.
 */
export function explain(cause: unknown, { what, flag }: Target): string {
	const { name = "UnknownError", code, message = "", $response } = Object(cause);
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
		case "UnknownOperationException":
		case "UnsupportedOperation":
			return `What answers for ${what} cannot do what is asked of it (${name}): check --endpoint.`;
	}
	if (/region is missing/i.test(message)) {
		return "There is no AWS region: give --region, or set AWS_REGION.";
	}
	if (/region not accepted/i.test(message)) {
		return "The AWS region is of no region's form: give --region, such as eu-west-1, or set AWS_REGION.";
	}
	if (unreachable.test(code)) {
		return `Nothing answers for ${what} (${code}): check --region, --endpoint and the network.`;
	}
	if (code === "EPROTO") {
		return `What answers for ${what} does not speak https: write http:// in --endpoint.`;
	}
	if (/CERT|SIGNATURE/.test(code)) {
		return `The certificate of what answers for ${what} is not trusted (${code}): check --endpoint, or name its authority in NODE_EXTRA_CA_CERTS.`;
	}
	// An error of AWS has a name, and comes in JSON; what a gateway says for it has a status of its own.
	const status = $response?.statusCode;
	const nameless =
		(name === "SyntaxError" || name === "Unknown") && (status < 500 || status === 501);
	if (nameless || name === "NotAws" || /^HPE_/.test(code)) {
		return `What answers for ${what} is neither AWS nor the embedded stack: check --endpoint, or leave it out for AWS.`;
	}
	if (name === "AbortError" || name === "TimeoutError") {
		return `No answer came for ${what}: check --region, --endpoint and the network.`;
	}
	return `AWS did not answer for ${what} (${code ?? name}): try again later.`;
}

const unreachable = /^(ECONN(REFUSED|RESET)|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|E(HOST|NET)UNREACH)$/;
