import { err, ok, type Result } from "neverthrow";
import type { InvalidEvent } from "../domain/errors";
import { type Identity, isUuid } from "../domain/user/identity";

/** Calls of an administrator, which name the pool. */
const administrators = [
	// A sign-up is confirmed; the event of the trigger may have been lost.
	"AdminConfirmSignUp",
	// The account of whoever never signed in is confirmed, if the password is for good.
	"AdminSetUserPassword",
	// Anything may have changed, the email and its verification too. The link is written so as well: then there is nothing left to do.
	"AdminUpdateUserAttributes",
	"AdminDeleteUserAttributes",
	// The account is gone.
	"AdminDeleteUser",
];

/** Calls of a person, by an access token or by the app client, which name no pool. */
const persons = [
	"ConfirmSignUp",
	"UpdateUserAttributes",
	"DeleteUserAttributes",
	// The new email is verified, and becomes the account's.
	"VerifyUserAttribute",
	"DeleteUser",
];

/** Answers at a sign-in. The first password confirms an account that an administrator made; PostAuthentication may not be told of it. */
const answers = ["RespondToAuthChallenge", "AdminRespondToAuthChallenge"];
const firstPassword = "NEW_PASSWORD_REQUIRED";

const trailType = "AWS API Call via CloudTrail";

/**
 * What a rule on the account's default bus matches on, to be told of every call that may have changed an account of a user pool. Of
 * refused calls it is not told. CloudTrail sends these records where the account has a trail:
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
 */
export const trailPattern = (userPoolId: unknown) => ({
	source: ["aws.cognito-idp"],
	"detail-type": [trailType],
	detail: {
		errorCode: [{ exists: false }],
		$or: [
			{ eventName: administrators, requestParameters: { userPoolId: [userPoolId] } },
			{ eventName: persons },
			{ eventName: answers, requestParameters: { challengeName: [firstPassword] } },
		],
	},
});

/** Whether an event is a record of CloudTrail's. */
export const isOfTrail = (event: unknown): boolean => Object(event)["detail-type"] === trailType;

/**
 * Reads from a record of CloudTrail whose account a call may have changed: its `sub`, and nothing else that can be relied on, as Cognito
 * hides the rest: https://docs.aws.amazon.com/cognito/latest/developerguide/logging-using-cloudtrail.html. It throws for no input.
 *
 * @returns `undefined` for a call that is refused, of another pool or of no operation that is followed;
 * `InvalidEvent` for one of this pool that does not say whose account it is
 */
export function parseTrail(
	event: unknown,
	userPoolId: string,
): Result<Pick<Identity, "sub"> | undefined, InvalidEvent> {
	const { eventName, errorCode, requestParameters, additionalEventData } = Object(
		Object(event).detail,
	);
	const { userPoolId: pool, username, challengeName } = Object(requestParameters);
	const isFollowed =
		administrators.includes(eventName) ||
		persons.includes(eventName) ||
		(answers.includes(eventName) && challengeName === firstPassword);
	if (!isFollowed || errorCode || (pool !== undefined && pool !== userPoolId)) {
		return ok(undefined);
	}
	const sub = [Object(additionalEventData).sub, username].find(isUuid);
	if (sub !== undefined) return ok({ sub });
	// It may be another pool's as well.
	if (pool === undefined) return ok(undefined);
	const issues = [{ path: "detail.additionalEventData.sub", message: "must be a sub" }];
	return err({ type: "InvalidEvent", issues });
}
