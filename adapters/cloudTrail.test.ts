import { randomUUID } from "node:crypto";
import test from "ava";
import { parseTrail } from "./cloudTrail";

const userPoolId = "us-east-1_Example01";
const sub = randomUUID();

/** A record as CloudTrail puts it on the default bus. */
const record = (detail: object) => ({
	source: "aws.cognito-idp",
	"detail-type": "AWS API Call via CloudTrail",
	detail: { eventSource: "cognito-idp.amazonaws.com", ...detail },
});
const hidden = "HIDDEN_DUE_TO_SECURITY_REASONS";
const deletion = {
	eventName: "AdminDeleteUser",
	requestParameters: { userPoolId, username: hidden },
	additionalEventData: { sub },
};

test("a record says whose account a call may have changed, by administrator or person", (t) => {
	for (const detail of [
		deletion,
		{ eventName: "DeleteUser", requestParameters: null, additionalEventData: { sub } },
		{
			eventName: "RespondToAuthChallenge",
			requestParameters: { challengeName: "NEW_PASSWORD_REQUIRED", clientId: "client" },
			additionalEventData: { sub },
		},
		// As in those of the hosted pages.
		{ ...deletion, errorCode: "" },
		{ ...deletion, requestParameters: { userPoolId, username: sub }, additionalEventData: null },
	]) {
		t.deepEqual(parseTrail(record(detail), userPoolId)._unsafeUnwrap(), { sub });
	}
});

test("a call that was refused, of another pool, or of an operation that changes no account leaves nothing", (t) => {
	for (const detail of [
		{ ...deletion, errorCode: "UserNotFoundException" },
		{ ...deletion, requestParameters: { userPoolId: "us-east-1_Other" } },
		{ ...deletion, eventName: "AdminListGroupsForUser" },
		{ ...deletion, eventName: "constructor" },
		{
			eventName: "RespondToAuthChallenge",
			requestParameters: { challengeName: "PASSWORD_VERIFIER" },
			additionalEventData: { sub },
		},
		{ eventName: "DeleteUser", requestParameters: null },
	]) {
		t.is(parseTrail(record(detail), userPoolId)._unsafeUnwrap(), undefined);
	}
	for (const nothing of [undefined, null, 1, "text", [], {}, { detail: null }, { detail: [] }]) {
		t.is(parseTrail(nothing, userPoolId)._unsafeUnwrap(), undefined);
	}
});

test("a call of this pool that does not say whose account it changed is an error, so that it is not lost", (t) => {
	const issues = [{ path: "detail.additionalEventData.sub", message: "must be a sub" }];
	for (const additionalEventData of [undefined, null, {}, { sub: hidden }, { sub: 1 }]) {
		const unnamed = parseTrail(record({ ...deletion, additionalEventData }), userPoolId);
		t.deepEqual(unnamed._unsafeUnwrapErr(), { type: "InvalidEvent", issues });
	}
});
