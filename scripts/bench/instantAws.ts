import { once } from "node:events";
import { createServer } from "node:https";
import { json } from "node:stream/consumers";
import { marshall } from "@aws-sdk/util-dynamodb";
import { generate } from "selfsigned";
import { emailPartition, profileKey, userIdPartition } from "../../domain/user/keys";

/** The account, and the profile that it is linked to, of all that is asked. */
export const ada = {
	sub: "11111111-1111-4111-8111-111111111111",
	email: "ada@example.com",
	userId: "22222222-2222-4222-8222-222222222222",
};

const now = new Date(0).toISOString();

/** Her profile as it lies in the table. */
export const profile = marshall({
	...profileKey(ada.sub),
	GSI1PK: emailPartition(ada.email),
	GSI1SK: `VERIFIED#${now}`,
	GSI2PK: userIdPartition(ada.userId),
	GSI2SK: "USER",
	_et: "User",
	username: ada.sub,
	email: ada.email,
	emailVerified: true,
	userId: ada.userId,
	identityVersion: 1,
	createdAt: now,
	updatedAt: now,
});

/** What each operation answers; any other, `{}`. */
const answers: Record<string, (request: { Entries?: unknown[] }) => object> = {
	GetItem: () => ({ Item: profile }),
	ListUsers: () => ({ Users: [] }),
	PutEvents: ({ Entries = [] }) => ({ Entries: Entries.map(() => ({ EventId: "1" })) }),
};

/**
 * Serves over TLS, as AWS does, and answers at once.
 *
 * @returns its URL, how many calls have come since it was last asked, and `close`
 */
export async function serveInstantAws() {
	const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }], {
		keyType: "ec",
	});
	let calls = 0;
	const server = createServer({ key, cert }, async (request, response) => {
		calls++;
		const operation = String(request.headers["x-amz-target"]).split(".").at(-1) ?? "";
		const body = (await json(request)) as { Entries?: unknown[] }; // of an SDK's own client
		response.end(JSON.stringify(answers[operation]?.(body) ?? {}));
	});
	await once(server.listen(0, "localhost"), "listening");
	const address = server.address();
	return {
		url: `https://localhost:${typeof address === "object" ? address?.port : ""}`,
		takeCalls(): number {
			const taken = calls;
			calls = 0;
			return taken;
		},
		close: () => server.close(),
	};
}
