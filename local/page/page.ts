import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseJson } from "../endpoint";
import type { Stack } from "../stack";
import { createActions } from "./actions";
import { createOutages } from "./outages";
import { createState } from "./state";

/** The files of the page, by the paths that they are at. */
const FILES = new Map<string, [file: string, type: string]>([
	["/", ["page.html", "text/html"]],
	["/page/page.css", ["page.css", "text/css"]],
	["/page/browser.js", ["browser.js", "text/javascript"]],
]);

const HEADERS = {
	"cache-control": "no-store",
	"content-security-policy":
		"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"cross-origin-resource-policy": "same-origin",
	"x-content-type-options": "nosniff",
};

/** Serves a page at the stack's endpoint, on which one sees what runs, and tries it: `/`, and what it asks for below `/page/`. */
export function servePage(stack: Stack): void {
	const outages = createOutages(stack);
	const state = createState(stack, outages);
	const actions = createActions(stack, outages);

	async function answer(request: IncomingMessage, path: string): Promise<Answer> {
		const refused = refusal(request, stack.endpoint);
		if (refused !== undefined) return json(403, { error: refused });
		const [file, type] = FILES.get(path) ?? [];
		if (request.method === "GET" && file !== undefined) {
			const body = await readFile(join(__dirname, file), "utf8");
			return { status: 200, type: `${type}; charset=utf-8`, body };
		}
		if (request.method === "GET" && path === "/page/state") return json(200, await state());
		const act = actions.get(path.replace("/page/actions/", ""));
		if (request.method !== "POST" || !act) return json(404, { error: "There is no such page." });
		return json(200, { told: await act(parseJson(await text(request))) });
	}

	stack.letTake((request, response) => {
		const [path = ""] = (request.url ?? "").split("?");
		if (!path.startsWith("/page/") && !(request.method === "GET" && path === "/")) return false;
		answer(request, path)
			// What the person or an action has done wrong is told as AWS words it.
			.catch((error: Error) => json(400, { error: error.message, name: error.name }))
			.then((answered) => send(response, answered));
		return true;
	});
}

interface Answer {
	status: number;
	type: string;
	body: string;
}

const json = (status: number, body: object): Answer => ({
	status,
	type: "application/json",
	body: JSON.stringify(body),
});

const send = (response: ServerResponse, { status, type, body }: Answer) =>
	response.writeHead(status, { ...HEADERS, "content-type": type }).end(body);

/**
 * Why a request is not the page's own, if it is not: any site's page can make the browser of whoever looks at it send requests here, and by
 * a name of its own that leads here, even read the answers: https://developer.mozilla.org/en-US/docs/Web/Security/Attacks
 */
function refusal({ method, headers }: IncomingMessage, endpoint: string): string | undefined {
	const own = new URL(endpoint).host;
	const host = headers.host ?? "";
	if (![own, own.replace("127.0.0.1", "localhost")].includes(host)) {
		return `This page is at ${endpoint}/ alone.`;
	}
	if (method === "GET") return undefined;
	if (headers.origin !== `http://${host}`) return "Only the page itself may do this.";
	if (headers["content-type"] !== "application/json") return "The request is not JSON.";
	return undefined;
}
