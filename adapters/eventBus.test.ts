import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import test, { type ExecutionContext } from "ava";
import type { EventEntry } from "../domain/user/events";
import { openEndpoint, ServiceError } from "../local/endpoint";
import { createPublishAll } from "./eventBus";

/** The publishing of many to an EventBridge that fails entries by their detail: with an error code, or the whole call if it throws. */
async function open(t: ExecutionContext, codeOf: (detail: string) => string | undefined) {
	const endpoint = await openEndpoint(0);
	t.teardown(endpoint.close);
	const calls: string[] = [];
	endpoint.serve(async ({ body }) => {
		const details: string[] = Object(body).Entries.map(({ Detail }: { Detail: string }) => Detail);
		calls.push(details.join(" "));
		const Entries = details.map((detail) => {
			const ErrorCode = codeOf(detail);
			return ErrorCode ? { ErrorCode } : { EventId: detail };
		});
		return { FailedEntryCount: Entries.filter((each) => "ErrorCode" in each).length, Entries };
	});
	const client = new EventBridgeClient({
		endpoint: endpoint.url,
		region: "us-east-1",
		credentials: { accessKeyId: "test", secretAccessKey: "test" },
	});
	return { publishAll: createPublishAll("users", client), calls };
}

const numbered = (count: number) =>
	Array.from(
		{ length: count },
		(_, i): EventEntry => ({ source: "test", detailType: "Test", detail: String(i) }),
	);

/** What became of each event: `ok`, or the type of its error. */
const typesOf = (results: Awaited<ReturnType<ReturnType<typeof createPublishAll>>>) =>
	results.map((result) => (result.isOk() ? "ok" : result.error.type)).join(" ");

test("events are published in order, ten in one round trip", async (t) => {
	const { publishAll, calls } = await open(t, () => undefined);
	t.is(typesOf(await publishAll(numbered(12))), Array(12).fill("ok").join(" "));
	t.deepEqual(calls, ["0 1 2 3 4 5 6 7 8 9", "10 11"]);
	t.deepEqual(await publishAll([]), []);
	t.is(calls.length, 2, "nothing is no call");
});

for (const [code, type] of [
	["InternalFailure", "EventRejected"],
	["ThrottlingException", "EventRejected"],
	["AccessDeniedException", "EventRejected"],
	["MalformedDetail", "InvalidEvent"],
	["InvalidArgument", "InvalidEvent"],
] as const) {
	test(`an entry that fails with ${code} is ${type}, and the others of its call are published`, async (t) => {
		const { publishAll } = await open(t, (detail) => (detail === "1" ? code : undefined));
		t.is(typesOf(await publishAll(numbered(3))), `ok ${type} ok`);
	});
}

test("nothing is published after a round trip in which an event may be published later", async (t) => {
	const { publishAll, calls } = await open(t, (detail) =>
		detail === "5" ? "InternalFailure" : undefined,
	);
	t.is((await publishAll(numbered(30))).length, 10);
	t.is(calls.length, 1);
});

for (const [code, status] of [
	["ValidationException", 400],
	["RequestEntityTooLargeException", 413],
] as const) {
	test(`of a call that is refused for one of its events (${status}), the others are published`, async (t) => {
		const { publishAll, calls } = await open(t, (detail) => {
			if (detail === "1") throw new ServiceError(code, "Too large.", status);
			return undefined;
		});
		t.is(typesOf(await publishAll(numbered(3))), "ok InvalidEvent ok");
		t.deepEqual(calls, ["0 1 2", "0", "1", "2"]);
	});
}

test("when nothing may be published, no event is at fault", async (t) => {
	const { publishAll, calls } = await open(t, () => {
		throw new ServiceError("AccessDeniedException", "Not you.");
	});
	t.is(typesOf(await publishAll(numbered(3))), "EventRejected EventRejected EventRejected");
	t.deepEqual(calls, ["0 1 2"]);
});
