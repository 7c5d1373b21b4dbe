import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { delimiter, join } from "node:path";
import { json } from "node:stream/consumers";
import {
	CognitoIdentityProviderClient,
	ConfirmSignUpCommand,
	SignUpCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import test, { type ImplementationFn } from "ava";
import puppeteer, { type Browser, type Page } from "puppeteer-core";
import { People } from "../../testing/people";
import { startTestStack, testProgram } from "../../testing/testStack";
import { type Stack, startStack } from "../stack";
import { servePage } from "./page";

const installed = (process.env.PATH ?? "")
	.split(delimiter)
	.flatMap((directory) =>
		["chromium", "chromium-browser", "google-chrome"].map((name) => join(directory, name)),
	);
const chrome = [
	process.env.CHROME_PATH ?? "",
	...installed,
	"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	"C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
].find((path) => existsSync(path));

let stack: Stack;
let people: People;
let browser: Browser;

test.before(async () => {
	stack = await startTestStack();
	servePage(stack);
	people = new People(stack);
	if (chrome === undefined) return;
	// Root may not use the sandbox, and nothing is opened but the page.
	browser = await puppeteer.launch({ executablePath: chrome, args: ["--no-sandbox"] });
});
test.after.always(() => Promise.all([browser?.close(), stack.close()]));

const someone = () => `someone.${randomUUID()}@example.com`;

interface Sent {
	method?: string;
	path?: string;
	headers?: Record<string, string>;
	body?: object;
}

/** Sends what fetch would not let one: any Host. */
function send({ method = "GET", path = "/", headers, body }: Sent) {
	const sent = request(stack.endpoint + path, { method, headers: headers ?? {} });
	return new Promise<IncomingMessage>((resolve, reject) => {
		sent.on("response", resolve).on("error", reject).end(JSON.stringify(body));
	});
}

/** What the page's own requests carry. */
const own = () => ({ origin: stack.endpoint, "content-type": "application/json" });

const statusOf = async (sent: Sent) => {
	const response = await send(sent);
	response.resume();
	return response.statusCode;
};

test("no request that another site's page makes a browser send does anything", async (t) => {
	const email = someone();
	const signUp = (headers: Record<string, string>) =>
		statusOf({
			method: "POST",
			path: "/page/actions/signUp",
			headers,
			body: { email, password: "Analytical-1843" },
		});
	t.is(await signUp({ ...own(), origin: "https://example.com" }), 403);
	t.is(await signUp({ ...own(), origin: "null" }), 403);
	t.is(await signUp({ "content-type": "application/json" }), 403);
	t.is(await signUp({ ...own(), "content-type": "text/plain" }), 403);
	t.is(await signUp({ ...own(), host: "rebound.example.com" }), 403);
	await t.throwsAsync(people.attributes(email), { name: "UserNotFoundException" });
	t.is(await signUp(own()), 200);
	t.is((await people.attributes(email)).email, email);
});

test("what the stack holds is shown under its own names alone, and to no other site's page", async (t) => {
	const { host, port } = new URL(stack.endpoint);
	for (const path of ["/", "/page/state"]) {
		t.is(await statusOf({ path, headers: { host: "rebound.example.com" } }), 403);
		t.is(await statusOf({ path, headers: { host: `rebound.example.com:${port}` } }), 403);
		t.is(await statusOf({ path, headers: { host } }), 200);
		t.is(await statusOf({ path, headers: { host: `localhost:${port}` } }), 200);
		const { headers } = await fetch(stack.endpoint + path);
		t.is(headers.get("access-control-allow-origin"), null);
		t.regex(headers.get("content-security-policy") ?? "", /^default-src 'none'; script-src 'self'/);
	}
});

test("the page is off the way of AWS's requests", async (t) => {
	const target = "AWSCognitoIdentityProviderService.ListUsers";
	const headers = { "x-amz-target": target, authorization: "Credential=local/" };
	const response = await send({
		method: "POST",
		headers,
		body: { UserPoolId: stack.outputs.userPoolId },
	});
	t.true("Users" in Object(await json(response)));
});

/** A test in a browser, one at a time, as all see the same stack. */
function inBrowser(title: string, implementation: ImplementationFn<[Page]>): void {
	test.serial(title, async (t) => {
		if (chrome === undefined) {
			t.log("Skipped: there is no Chromium or Chrome; CHROME_PATH may say where.");
			return t.pass();
		}
		const page = await open();
		t.teardown(() => page.close());
		return implementation(t, page);
	});
}

async function open(address = stack.endpoint): Promise<Page> {
	const page = await browser.newPage();
	await page.goto(address);
	await page.waitForSelector("#signUp input");
	return page;
}

/** What is behind another tab is not drawn: it can neither be seen nor used. */
async function inFront(page: Page): Promise<Page> {
	await page.bringToFront();
	return page;
}

const click = async (page: Page, selector: string) =>
	(await inFront(page)).locator(selector).click();

const press = (page: Page, name: string) =>
	click(page, `::-p-aria([name="${name}"][role="button"])`);

/** Sends the form of the dialog that is open. */
const submit = (page: Page) => click(page, "#ask .main");

const shows = async (page: Page, text: string) =>
	(await inFront(page)).waitForSelector(`::-p-text("${text}")`, { visible: true });

const fill = async (page: Page, field: string, value: string) =>
	(await inFront(page)).locator(field).fill(value);

/** What a person is shown with, once there is an element that is so, as XPath has it. */
const person = (page: Page, email: string, is: string) =>
	page.waitForSelector(`::-p-xpath(//ul[@id="people"]/li[contains(., "${email}")]//*[${is}])`);

/** What an element holds, and what tells one control from the others, in the browser. */
const textContent = ({ textContent }: { textContent: string | null }) => textContent;
const nameOf = (element: { ariaLabel: string | null; outerHTML: string }) =>
	element.ariaLabel || element.outerHTML;

/** What Cognito has against something, as the page shall show it. */
const refusal = async (asked: Promise<unknown>) => {
	const error = await asked.catch((refused: Error) => refused);
	return error instanceof Error ? `${error.message} (${error.name})` : "nothing";
};

inBrowser(
	"one breaks the table, signs somebody up, repairs it, and the profile arrives; a second tab sees the same",
	async (t, page) => {
		const email = someone();
		const other = await open();
		const repair = { method: "POST", path: "/page/actions/repair", headers: own() };
		for (const what of ["table", "bus"]) {
			t.teardown(() => statusOf({ ...repair, body: { what } }));
			await press(page, `Break the ${what}`);
		}
		await shows(other, "The table and the bus are down for every function.");
		await press(page, "Repair the bus");
		await shows(other, "The table is down for every function.");
		await fill(page, "#signUp [name=email]", email);
		await press(page, "Sign up");
		await press(page, `Confirm ${email}`);
		await submit(page); // with the code from the mail, which is there
		await person(other, email, '.="No profile yet"');
		const { sub } = await people.attributes(email);
		await page.waitForSelector(
			`::-p-xpath(//pre[contains(., "StoreUnavailable") and contains(., "${sub}")])`,
		);
		await shows(page, `${email} is in Cognito, and the profile cannot follow`);
		await press(other, "Repair the table");
		await person(page, email, '.="Account and profile agree"');
		await press(page, `Sign in ${email}`);
		await submit(page);
		const userId = (await people.attributes(email))["custom:userId"];
		await shows(page, `The ID token says: custom:userId ${userId}.`);
		await press(page, `Change ${email}`);
		await fill(page, "#ask [name=name]", "Countess of Lovelace");
		await submit(page);
		await person(page, email, 'td[1]="Countess of Lovelace" and td[2]="Countess of Lovelace"');
		await press(page, `Delete ${email}`);
		await page.waitForSelector(`::-p-aria([name="Delete ${email}"])`, { hidden: true });
		await other.close();
		t.pass();
	},
);

inBrowser(
	"a weak password, a taken email and a wrong code are told as Cognito words them",
	async (t, page) => {
		const email = someone();
		const client = new CognitoIdentityProviderClient(stack.clientOptions);
		const ClientId = stack.outputs.userPoolClientId;
		const signUp = (Password: string) =>
			refusal(client.send(new SignUpCommand({ ClientId, Username: email, Password })));
		const confirm = new ConfirmSignUpCommand({
			ClientId,
			Username: email,
			ConfirmationCode: "wrong",
		});

		await fill(page, "#signUp [name=email]", email);
		await fill(page, "#signUp [name=password]", "weak");
		await press(page, "Sign up");
		await shows(page, await signUp("weak"));
		await people.signUp(email);
		await fill(page, "#signUp [name=password]", "Analytical-1843");
		await press(page, "Sign up");
		await shows(page, await signUp("Analytical-1843"));
		await press(page, `Confirm ${email}`);
		await fill(page, "#ask [name=code]", "wrong");
		await submit(page);
		const told = await (await page.waitForSelector("#refused:not(:empty)"))?.evaluate(textContent);
		t.is(told, await refusal(client.send(confirm)));
	},
);

inBrowser("names and emails with markup in them are shown as text", async (t, page) => {
	const markup = "<img src=x onerror=alert(1)>";
	const email = `<b>${randomUUID()}</b>@example.com`;
	page.on("dialog", () => t.fail("What a name holds was run."));
	await people.signUp(email, { name: markup });
	await people.confirm(email);
	await person(page, email, `td[2]="${markup}"`);
	await shows(page, `${email}, sub`); // of the event
	t.is(await page.$("main img, main b"), null);
});

inBrowser("every control is reached with the Tab key", async (t, page) => {
	const email = someone();
	await people.signUp(email);
	await people.confirm(email);
	await person(page, email, '.="Account and profile agree"');
	await page.waitForSelector("#events summary");
	const all = await page.$$("button, input, summary, pre[tabindex]");
	const visible = [];
	for (const each of all) if (await each.isVisible()) visible.push(await each.evaluate(nameOf));
	const reached = new Set<string | undefined>();
	for (let press = 0; press < 2 * visible.length; press++) {
		await page.keyboard.press("Tab");
		reached.add(await (await page.$(":focus"))?.evaluate(nameOf));
	}
	t.true(visible.length > 15);
	t.deepEqual(
		visible.filter((name) => !reached.has(name)),
		[],
	);
});

inBrowser(
	"what one types, and where one is, stays while the page brings itself up to date",
	async (t, page) => {
		await fill(page, "#signUp [name=name]", "Half a na");
		await page.focus("#signUp [name=name]");
		const email = someone();
		await people.signUp(email);
		await person(page, email, `.="${email}"`);
		await page.keyboard.type("me");
		const typed = await page.evaluate("document.activeElement.value");
		t.is(typed, "Half a name");
	},
);

inBrowser("a page left open tells that the stack has stopped, and finds it again", async (t) => {
	const program = await testProgram();
	const first = await startStack({ program });
	servePage(first);
	const port = Number(new URL(first.endpoint).port);
	const page = await open(first.endpoint);
	await first.close();
	await shows(page, "The stack does not answer.");
	const second = await startStack({ program, port });
	t.teardown(() => second.close());
	servePage(second);
	await new People(second).signUp("ada@example.com");
	await person(page, "ada@example.com", '.="ada@example.com"');
	await page.waitForSelector("#lost", { hidden: true });
	t.pass();
});
