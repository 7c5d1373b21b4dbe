import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import {
	CognitoIdentityProviderClient,
	ListUsersCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import test, { type ExecutionContext } from "ava";
import { firstAnswer } from "./firstAnswer";

const target = { what: "user pool x", flag: "--user-pool-id" };

/** What is told of a pool at a server that does so with each request. */
async function told(t: ExecutionContext, listener: RequestListener, scheme = "http") {
	const server = createServer(listener).listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo; // of a server that listens on a port
	const cognito = new CognitoIdentityProviderClient({
		region: "eu-west-1",
		endpoint: `${scheme}://127.0.0.1:${port}`,
		credentials: { accessKeyId: "a", secretAccessKey: "b" },
	});
	t.teardown(() => {
		cognito.destroy();
		server.closeAllConnections();
		server.close();
	});
	const command = new ListUsersCommand({ UserPoolId: "x" });
	const answer = await firstAnswer(target, (options) => cognito.send(command, options), 1_000);
	return answer._unsafeUnwrapErr();
}

for (const [what, status, body] of [
	["a page that is not there", 404, "<html>Not found</html>"],
	["nothing that is there", 404, ""],
	["any page", 200, "<html>Welcome</html>"],
	["a method that it does not know", 501, "<html>Unsupported method</html>"],
	["the way to elsewhere", 302, ""],
] as const) {
	test(`a server that answers with ${what} is not taken for AWS`, async (t) => {
		const sentence = await told(t, (_, response) => response.writeHead(status).end(body));
		t.regex(sentence, /^What answers for user pool x is neither AWS nor .*: check --endpoint,/);
	});
}

test("a gateway that is out of order is not taken for a wrong endpoint", async (t) => {
	const sentence = await told(t, (_, response) => response.writeHead(503).end("<html>"));
	t.regex(sentence, /^AWS did not answer for user pool x .*: try again later\.$/);
});

test("https to a server of http is told as what it is", async (t) => {
	const sentence = await told(t, (_, response) => response.end(), "https");
	t.regex(sentence, /does not speak https: write http:\/\/ in --endpoint\.$/);
});

test("a server that stays silent is given up", async (t) => {
	const sentence = await told(t, () => {});
	t.is(sentence, "No answer came for user pool x: check --region, --endpoint and the network.");
});
