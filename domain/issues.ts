import { DynamoDBToolboxError } from "dynamodb-toolbox/errors";
import type { Issue } from "./errors";

/** What a schema found wrong with an input, in words that do not hold the value; `undefined` if that is not what was thrown. */
export function inputIssue(error: unknown): Issue | undefined {
	if (!DynamoDBToolboxError.match(error, "parsing.")) return undefined;
	return { path: error.path ?? "", message: problemIn(error) };
}

function problemIn(error: DynamoDBToolboxError): string {
	if (DynamoDBToolboxError.match(error, "parsing.attributeRequired")) return "is required";
	if (DynamoDBToolboxError.match(error, "parsing.customValidationFailed")) {
		const { validationResult } = error.payload;
		return typeof validationResult === "string" ? validationResult : "is not valid";
	}
	if (DynamoDBToolboxError.match(error, "parsing.invalidAttributeInput")) {
		return `must be ${[error.payload.expected].flat().join(" or ")}`;
	}
	return "is not valid";
}

/** What dynamodb-toolbox found wrong with a stored item; `undefined` if that is not what was thrown. */
export function storedIssues(error: unknown): Issue[] | undefined {
	if (DynamoDBToolboxError.match(error, "queryCommand.noEntityMatched")) {
		return [{ path: "", message: "is of another entity" }];
	}
	if (!DynamoDBToolboxError.match(error, "formatter.")) return undefined;
	const message =
		error.code === "formatter.missingAttribute" ? "is missing" : "is of the wrong type";
	return [{ path: error.path ?? "", message }];
}
