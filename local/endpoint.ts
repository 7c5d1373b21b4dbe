import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
// Of Pulumi no more than its errors: a test of the domain has an endpoint, and no program.
import { RunError } from "@pulumi/pulumi/errors";

/** One call of one AWS API operation, whoever makes it. */
export interface Call {
	service:
		| "cognito-idp"
		| "dynamodb"
		| "dynamodbstreams"
		| "events"
		| "lambda"
		| "logs"
		| "sqs"
		| "states";
	operation: string;
	/** The request as the service's JSON protocol has it. */
	body: object;
	/** Whose access key signed it: a function's logical name, a client's key, or the AWS service that calls. */
	caller: string | undefined;
	/** On whose behalf an AWS service calls: the ARN of a rule or a user pool. */
	sourceArn?: string | undefined;
	/** The connection that it came over, if it came from a client. */
	connection?: Socket;
}

/** What answers the calls of one service; it rejects with a `ServiceError` to answer an error. */
export type Service = (call: Call) => Promise<object>;

/** What may take a request, and answer it: it tells whether it does. */
export type Taker = (request: IncomingMessage, response: ServerResponse) => boolean;

/** An error that a service answers, named as AWS names it. */
export class ServiceError extends Error {
	constructor(
		readonly code: string,
		message: string,
		readonly status = 400,
		/** What else the service's answer holds. */
		readonly fields: object = {},
	) {
		super(message);
	}
}

/** The connection ended without an answer. */
export class ConnectionLost extends ServiceError {
	constructor() {
		super("ConnectionLost", "The connection was lost.", 503);
	}
}

export type Endpoint = Awaited<ReturnType<typeof openEndpoint>>;

/**
 * Opens one loopback port that is all of AWS, and keeps account of the work that goes on behind it.
 *
 * @param port - 0 for a free one. Rejects with `pulumi.RunError` if it is taken or refused.
 */
export async function openEndpoint(port: number) {
	let service: Service | undefined;
	let takes: Taker = () => false;
	const listeners = new Set<(call: Call) => void>();
	const background = new Set<Promise<void>>();
	const closing = new AbortController();

	/** Waits, as between two attempts; rejects when `signal` says so or the endpoint closes. */
	async function pause(milliseconds: number, signal = closing.signal): Promise<void> {
		const either = AbortSignal.any([signal, closing.signal]);
		await setTimeout(milliseconds, undefined, { signal: either });
	}

	/** Where every call goes, over HTTP or from service to service. */
	async function call(call: Call): Promise<object> {
		if (!service) throw new ServiceError("ServiceUnavailable", "The stack is starting.", 503);
		for (const listener of listeners) listener(call);
		return service(call);
	}

	const server = createServer((request, response) => {
		if (!takes(request, response)) respond(request, response, call);
	});
	await new Promise<void>((resolve, reject) => {
		server.once("error", (error: NodeJS.ErrnoException) => {
			const sentence = {
				EADDRINUSE: `Port ${port} is in use: pass another one, as in npm start -- --port ${port + 1}.`,
				EACCES: `Port ${port} is not this user's to listen on: pass another one, as in npm start -- --port 4566.`,
			}[String(error.code)];
			reject(sentence === undefined ? error : new RunError(sentence));
		});
		server.listen(port, "127.0.0.1", resolve);
	});

	return {
		// A server that listens on a TCP port has an address of this kind.
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		call,

		pause,

		/** Lets what is behind it answer. */
		serve(started: Service): void {
			service = started;
		},

		/** Lets something else have the requests that are not AWS's. */
		letTake(taker: Taker): void {
			takes = taker;
		},

		/** Tells of every call before it is answered; the function returned ends that. */
		onCall(listener: (call: Call) => void): () => void {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},

		/** Does work that no caller waits for, such as the delivery of an event. */
		inBackground(work: () => Promise<void>): void {
			const running = work().catch((error: unknown) => {
				if (!closing.signal.aborted) throw error;
			});
			background.add(running);
			running.finally(() => background.delete(running));
		},

		/** Resolves once no background work is left, that which it led to included. */
		async settled(): Promise<void> {
			while (background.size > 0) await Promise.all(background);
		},

		async close(): Promise<void> {
			closing.abort();
			server.close();
			server.closeAllConnections();
			await Promise.all(background);
		},
	};
}

async function respond(request: IncomingMessage, response: ServerResponse, call: Service) {
	const type = request.headers["content-type"] ?? "application/json";
	const send = (status: number, body: string) =>
		response.writeHead(status, { "content-type": type }).end(body);
	if (allowPages(request, response)) return response.writeHead(204).end();
	try {
		const made = readCall(request, await text(request));
		const answer = await call({ ...made, connection: request.socket });
		if (made.operation !== "Invoke") return send(200, JSON.stringify(answer, timesAsSeconds));
		// Lambda alone answers with the payload itself, and tells the rest beside it.
		const { StatusCode, FunctionError, Payload = "" } = Object(answer);
		if (FunctionError) response.setHeader("x-amz-function-error", FunctionError);
		return send(StatusCode, Payload);
	} catch (error) {
		if (error instanceof ConnectionLost) return void request.socket.destroy();
		const known = error instanceof ServiceError;
		const told = known ? error : new ServiceError("InternalFailure", String(error), 500);
		response.setHeader("x-amzn-errortype", told.code);
		return send(
			told.status,
			JSON.stringify({ __type: told.code, message: told.message, ...told.fields }),
		);
	}
}

const OPENID_DOCUMENT = /^\/([\w-]+)\/\.well-known\/(jwks\.json|openid-configuration)$/;

/**
 * Lets pages in a browser call Cognito and read the OpenID documents, as on AWS. They may be of any origin: a developer's server has any
 * name and port, and what such a page can do is what anybody can who has no key: sign up, or sign in with a password. All else on this
 * port a page can neither read, as it is not told here that it may, nor call, as `readCall` takes nobody's key from a page.
 *
 * @returns whether that was all: the browser has only asked whether it may.
 */
function allowPages({ method, url = "", headers }: IncomingMessage, response: ServerResponse) {
	const asked = method === "OPTIONS" && url === "/";
	const target = String(headers["x-amz-target"]);
	if (!asked && !OPENID_DOCUMENT.test(url) && !target.startsWith(COGNITO)) return false;
	response.setHeader("access-control-allow-origin", "*");
	response.setHeader("access-control-expose-headers", "x-amzn-errortype");
	if (!asked) return false;
	response.setHeader("access-control-allow-methods", "POST");
	// A `*` stands for every header but `authorization`: https://fetch.spec.whatwg.org/#cors-preflight-fetch
	response.setHeader("access-control-allow-headers", "*");
	response.setHeader("access-control-max-age", "600");
	return true;
}

const COGNITO = "AWSCognitoIdentityProviderService";

const SERVICES: Record<string, Call["service"]> = {
	[COGNITO]: "cognito-idp",
	DynamoDB_20120810: "dynamodb",
	AWSEvents: "events",
	AmazonSQS: "sqs",
	AWSStepFunctions: "states",
	Logs_20140328: "logs",
};

/** Tells from an HTTP request which operation of which service it is. */
function readCall({ method, url = "", headers }: IncomingMessage, body: string): Call {
	// A browser names the origin of the page that it sends a POST for.
	const { authorization = "" } = headers.origin === undefined ? headers : {};
	const caller = /Credential=([^/]+)\//.exec(authorization)?.[1];
	const [, invoked] = /^\/2015-03-31\/functions\/([^/]+)\/invocations/.exec(url) ?? [];
	if (invoked !== undefined) {
		const InvocationType = headers["x-amz-invocation-type"];
		const invoke = { FunctionName: decodeURIComponent(invoked), InvocationType, Payload: body };
		return { service: "lambda", operation: "Invoke", body: invoke, caller };
	}
	const [, pool, document] = OPENID_DOCUMENT.exec(url) ?? [];
	if (pool !== undefined) {
		const body = { pool, document };
		return { service: "cognito-idp", operation: "GetOpenIdDocument", body, caller };
	}
	const target = String(headers["x-amz-target"]);
	const [prefix = "", operation = ""] = target.split(".");
	const service = SERVICES[prefix];
	if (!service) {
		const known = `${Object.keys(SERVICES).join(", ")} and Lambda's Invoke`;
		const message = `The embedded stack has ${known}, not ${method} ${url} (${target}).`;
		throw new ServiceError("UnknownOperationException", message);
	}
	return { service, operation, body: parseJson(body), caller };
}

/** Parses what a client has sent. Throws a `ServiceError` if it is not JSON. */
export function parseJson(json: string) {
	try {
		return JSON.parse(json || "{}");
	} catch {
		throw new ServiceError("SerializationException", "The request is not JSON.");
	}
}

/** AWS's JSON protocols write a time as seconds; Date's own toJSON would write text. */
function timesAsSeconds(this: Record<string, unknown>, key: string, value: unknown) {
	const original = this[key];
	return original instanceof Date ? original.getTime() / 1000 : value;
}
