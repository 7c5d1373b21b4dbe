import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import type { PostAuthenticationTriggerEvent, PostConfirmationTriggerEvent } from "aws-lambda";
import { err, type Result, type ResultAsync } from "neverthrow";
import { createPublish } from "../../adapters/eventBus";
import type { RecordUser } from "../../domain/sync/record";
import type { EventType } from "../../domain/user/events";
import { type Account, parseAccount } from "../../domain/user/identity";
import { triggerClientOptions } from "../runtime/clientOptions";
import { environment } from "../runtime/environment";
import { logFailure, logRecorded } from "../runtime/log";
import { rehearse } from "../runtime/rehearse";
import { createImmediateWrite } from "./immediateWrite";

/** Time for the immediate write, so that with the event after it a trigger answers in less than 4 of Cognito's 5 seconds. */
const writeDeadline = 1_500;

const eventBridge = new EventBridgeClient(triggerClientOptions);
const publish = createPublish(environment("EVENT_BUS_NAME"), eventBridge);
// As the one that will publish an event; nobody gets this.
const first = new PutEventsCommand({ Entries: [{ Source: "", DetailType: "", Detail: "{}" }] });
rehearse(first, () => eventBridge.send(first));

// In event mode the bundle leaves it out, with the two SDK clients that it brings.
const immediateWrite = process.env.WRITE_MODE === "immediate" ? createImmediateWrite() : undefined;

/**
 * Tells of an account that a trigger has seen: in immediate mode it records the user first, and in both modes it publishes
 * the event. It fails open: whatever goes wrong is logged, and the person's sign-up or sign-in goes on.
 */
export async function announce(
	type: EventType,
	event: PostConfirmationTriggerEvent | PostAuthenticationTriggerEvent,
): Promise<void> {
	// A person signs up or in even with an event that is none.
	const sub = event.request?.userAttributes?.sub;
	try {
		const parsed = parseAccount(event.userName, event.request.userAttributes);
		if (parsed.isErr()) return logFailure({ ...parsed.error, sub });
		const account = immediateWrite
			? await write(immediateWrite(event.userPoolId), type, parsed.value)
			: parsed.value;
		const published = await publish({ type, account });
		if (published.isErr()) logFailure({ ...published.error, sub });
	} catch (cause) {
		logFailure({ type: "UnexpectedError", sub, cause });
	}
}

/** Records the user, and answers the account as it is then: with the link that the event shall carry. */
async function write(record: RecordUser, type: EventType, account: Account): Promise<Account> {
	// At confirmation Cognito has told of the account a moment ago; a sign-in may meet a change that is older than it.
	const as = type === "UserConfirmed" ? "fact" : "hint";
	const recorded = await within(writeDeadline, record(account, as));
	const { sub } = account.identity;
	if (recorded.isErr()) {
		logFailure({ ...recorded.error, sub });
		return account;
	}
	logRecorded({ outcome: recorded.value.outcome, sub, by: "trigger" });
	return "user" in recorded.value ? { ...account, userId: recorded.value.user.userId } : account;
}

/** The work did not end within the time that a trigger has for it. */
interface DeadlineExceeded {
	readonly type: "DeadlineExceeded";
}

/** Waits no longer than a deadline. The work itself goes on, which recordUser bears: it may end at any point and run again. */
function within<T, E>(
	milliseconds: number,
	work: ResultAsync<T, E>,
): Promise<Result<T, E | DeadlineExceeded>> {
	return new Promise((resolve) => {
		const timer = setTimeout(() => resolve(err({ type: "DeadlineExceeded" })), milliseconds);
		work.then((result) => {
			clearTimeout(timer);
			resolve(result);
		});
	});
}
