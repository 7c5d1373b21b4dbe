import test from "ava";
import { eventSource, type UserEvent } from "..";
import { parseEvent, toEventEntry } from "./events";

const published: UserEvent = {
	type: "UserConfirmed",
	account: {
		identity: {
			sub: "1",
			username: "1",
			email: "ada@example.com",
			emailVerified: true,
			name: "Ada",
		},
		userId: "u-1",
	},
};

/** As EventBridge delivers what was published. */
function delivered(event: UserEvent) {
	const { source, detailType, detail } = toEventEntry(event);
	return { version: "0", source, "detail-type": detailType, detail: JSON.parse(detail) };
}

test("a subscriber reads what was published, as an object and as text", (t) => {
	const event = delivered(published);
	t.deepEqual(parseEvent(event)._unsafeUnwrap(), published);
	t.deepEqual(parseEvent(JSON.stringify(event))._unsafeUnwrap(), published);
});

test("an event of an account that is not linked yet carries no userId", (t) => {
	const { identity } = published.account;
	const unlinked: UserEvent = { type: "UserAuthenticated", account: { identity } };
	t.deepEqual(parseEvent(delivered(unlinked))._unsafeUnwrap(), unlinked);
});

test("an event is read as an older version wrote it, and as a newer one does", (t) => {
	const older = {
		version: "0",
		id: "9f92c031-debc-4d9d-a9bd-db87ac5492fd",
		"detail-type": "UserAuthenticated",
		source: "user-profiles",
		account: "123456789012",
		time: "2026-11-21T02:59:46Z",
		region: "us-east-1",
		resources: [],
		detail: {
			version: 1,
			identity: { sub: "1", username: "1", email: "Ada@Example.com", emailVerified: true },
			userId: "15cf2468-7f4c-49ea-8e9b-08807f79d921",
		},
	};
	const { identity, userId } = older.detail;
	const read = { type: "UserAuthenticated", account: { identity, userId } } as const;
	t.deepEqual(parseEvent(older)._unsafeUnwrap(), read);
	const more = { ...identity, ofTheFuture: { seats: 5 } };
	const newer = { ...older, detail: { ...older.detail, identity: more, alsoNew: true } };
	t.deepEqual(parseEvent(newer)._unsafeUnwrap(), read);
});

const event = delivered(published);
for (const [what, input, path] of [
	["not JSON", "{", ""],
	["not an object", 36, ""],
	["null", null, ""],
	["of another source", { ...event, source: "aws.s3" }, "source"],
	["of another type", { ...event, "detail-type": "UserDeleted" }, "detail-type"],
	["without a detail", { source: eventSource, "detail-type": "UserConfirmed" }, "detail"],
	["of another version", { ...event, detail: { ...event.detail, version: 2 } }, "detail.version"],
] as const) {
	test(`an event that is ${what} is InvalidEvent, and says where`, (t) => {
		const error = parseEvent(input)._unsafeUnwrapErr();
		t.is(error.type, "InvalidEvent");
		t.deepEqual(
			error.issues.map((issue) => issue.path),
			[path],
		);
	});
}

test("an event that holds no identity is InvalidIdentity", (t) => {
	const { sub, ...rest } = event.detail.identity;
	for (const identity of [rest, undefined, "ada"]) {
		const error = parseEvent({ ...event, detail: { version: 1, identity } })._unsafeUnwrapErr();
		t.is(error.type, "InvalidIdentity");
	}
});
