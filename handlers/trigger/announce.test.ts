import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { PostConfirmationTriggerEvent } from "aws-lambda";

const sub = "0b1c7f6e-6f3b-4d0e-9d7b-3c8f2f1d5a01";

const event: PostConfirmationTriggerEvent = {
	version: "1",
	region: "us-east-1",
	userPoolId: "us-east-1_Example01",
	userName: sub,
	callerContext: { awsSdkVersion: "3", clientId: "client" },
	triggerSource: "PostConfirmation_ConfirmSignUp",
	request: {
		userAttributes: {
			sub,
			email: "ada@example.com",
			email_verified: "true",
		},
	},
	response: {},
};

/** An AWS that takes every connection and never answers. */
async function hangingEndpoint(t: ExecutionContext) {
	const sockets: Socket[] = [];
	const server = createServer((socket) => sockets.push(socket));
	await once(server.listen(0, "127.0.0.1"), "listening");
	t.teardown(() => {
		for (const socket of sockets) socket.destroy();
		server.close();
	});
	// A server that listens on a TCP port has an address of this kind.
	const { port } = server.address() as AddressInfo;
	return `http://127.0.0.1:${port}`;
}

const refusingEndpoint = "http://127.0.0.1:1";

/** The handler as it comes up in a function of its own, and what it logs as errors. */
async function load(t: ExecutionContext, writeMode: string, endpoint: string) {
	Object.assign(process.env, {
		AWS_ENDPOINT_URL: endpoint,
		AWS_REGION: "us-east-1",
		AWS_ACCESS_KEY_ID: "test",
		AWS_SECRET_ACCESS_KEY: "test",
		WRITE_MODE: writeMode,
		EVENT_BUS_NAME: "users",
		TABLE_NAME: "users",
	});
	for (const path of Object.keys(require.cache)) {
		if (path.startsWith(dirname(__dirname))) delete require.cache[path];
	}
	const { handler } = require("../postConfirmation") as typeof import("../postConfirmation");
	const logged: unknown[] = [];
	const { error } = console;
	console.error = (line: unknown) => logged.push(line);
	t.teardown(() => {
		console.error = error;
	});
	return { handler, logged };
}

for (const [writeMode, failures] of [
	["event", 1],
	["immediate", 2],
] as const) {
	test.serial(
		`in ${writeMode} mode, when AWS never answers, a trigger answers its event in less than 4 seconds`,
		async (t) => {
			const { handler, logged } = await load(t, writeMode, await hangingEndpoint(t));
			const begun = performance.now();
			t.is(await handler(event), event);
			const seconds = (performance.now() - begun) / 1000;
			t.true(seconds < 4, `it took ${seconds} seconds`);
			t.is(logged.length, failures);
		},
	);
}

for (const [writeMode, failures] of [
	["event", [{ type: "EventRejected", sub, retryable: true, cause: "ECONNREFUSED" }]],
	[
		"immediate",
		[
			{ type: "StoreUnavailable", sub, retryable: true, cause: "ECONNREFUSED" },
			{ type: "EventRejected", sub, retryable: true, cause: "ECONNREFUSED" },
		],
	],
] as const) {
	test.serial(
		`in ${writeMode} mode, when AWS refuses every connection, a trigger answers its event and logs why`,
		async (t) => {
			const { handler, logged } = await load(t, writeMode, refusingEndpoint);
			t.is(await handler(event), event);
			t.like(logged, failures);
			t.is(logged.length, failures.length);
		},
	);
}

test.serial("a trigger answers its event when the account is no user, and logs why", async (t) => {
	const { handler, logged } = await load(t, "event", refusingEndpoint);
	const nobody = { ...event, request: { userAttributes: { sub, email: "ada" } } };
	t.is(await handler(nobody), nobody);
	const issues = [{ path: "email", message: "is malformed" }];
	t.like(logged, [{ type: "InvalidIdentity", sub, issues }]);
});

test.serial("a trigger answers an event that holds nothing, and logs why", async (t) => {
	const { handler, logged } = await load(t, "event", refusingEndpoint);
	// What Cognito has never sent.
	const nothing = { triggerSource: event.triggerSource } as PostConfirmationTriggerEvent;
	t.is(await handler(nothing), nothing);
	t.like(logged, [{ type: "UnexpectedError", cause: "TypeError" }]);
});
