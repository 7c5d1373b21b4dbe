import { Readable } from "node:stream";
import { createSecureContext } from "node:tls";
import type { Command } from "@smithy/core/client";
import { HttpResponse } from "@smithy/core/protocols";

/**
 * Goes through a call of AWS while the module loads, all but its sending: then its code is compiled, the certificates of the
 * authorities are read, and the client knows credentials, region and endpoint. Whoever waits for the first real call waits less, as
 * Lambda gives a handler no more than the share of a processor that its memory buys, one at 1,769 MB:
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
 *
 * Cost: milliseconds of the cold start. Nothing leaves the function, and whatever goes wrong is left for the real call to tell.
 *
 * @param command of the SDK, sent by nobody else
 * @param send how it would be sent
 */
export function rehearse<Input extends object, Output extends object>(
	command: Pick<Command<Input, Output, object>, "middlewareStack">,
	send: () => Promise<unknown>,
): void {
	createSecureContext();
	const body = new Readable({ read: () => undefined });
	body.push("{}");
	body.push(null);
	const response = new HttpResponse({ statusCode: 200, body });
	// In place of the request handler, and of this one command alone; the step before it makes the output, of the response.
	command.middlewareStack.add(() => async () => ({ response, output: {} as Output }), {
		step: "deserialize",
		priority: "low",
	});
	send().catch(() => undefined);
}
