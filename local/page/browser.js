const byId = (id) => document.getElementById(id);

/** The person that the form suggests, and the password that it suggests for everybody. */
const SUGGESTED = [
	"Grace Hopper",
	"Katherine Johnson",
	"Annie Easley",
	"Mary Jackson",
	"Radia Perlman",
];
const PASSWORD = "Analytical-1843";

let state;

/** Makes an element of text and other elements: never of markup, so that a name may hold any. */
function make(tag, properties = {}, ...content) {
	const element = Object.assign(document.createElement(tag), properties);
	element.append(...content);
	return element;
}

/** Sets what has changed alone: what stays is not told again, and a selection in it is kept. */
function write(element, text = "") {
	if (element.textContent !== text) element.textContent = text;
}

/** Lets the children of an element show items. Those that stay are kept, and with them the focus and what is open. */
function show(parent, items, keyOf, create) {
	const keys = new Set(items.map(keyOf));
	const kept = new Map();
	for (const child of [...parent.children]) {
		if (keys.has(child.key)) kept.set(child.key, child);
		else child.remove();
	}
	let at = parent.firstElementChild;
	for (const item of items) {
		const key = keyOf(item);
		const child = kept.get(key) ?? Object.assign(create(item), { key });
		if (child === at) at = at.nextElementSibling;
		else parent.insertBefore(child, at);
		child.update?.(item);
	}
}

const words = (name) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

// What one does

/** Does something; answers the sentence that tells of it, and throws what AWS has against it. */
async function act(action, form) {
	const response = await fetch(`/page/actions/${action}`, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify(form),
	}).catch(() => {
		throw new Error("The stack does not answer.");
	});
	const { told, error, name } = await response.json();
	if (!response.ok) throw new Error(name ? `${error} (${name})` : error);
	await refresh();
	return told;
}

/** Does something, and tells what came of it. Resolves with whether it was done. */
async function tell(action, form) {
	const told = byId("told");
	try {
		write(told, await act(action, form));
		told.className = "";
		return true;
	} catch (error) {
		write(told, error.message);
		told.className = "bad";
		return false;
	}
}

function field({ name, label = words(name), value = "", type = "text" }) {
	const input = make("input", { name, value, type, autocomplete: "off", spellcheck: false });
	return make("label", {}, label, input);
}

/** What was typed into a form, by the names of its fields. */
const typed = (form) => Object.fromEntries(new FormData(form));

/** Asks for some values in a dialog, which stays open while AWS has something against them. */
function ask(title, fields, submit, send) {
	const [dialog, form] = [byId("dialog"), byId("ask")];
	write(byId("dialogTitle"), title);
	write(byId("refused"));
	write(form.querySelector(".main"), submit);
	form.querySelector(".fields").replaceChildren(...fields.map(field));
	form.onsubmit = async (event) => {
		event.preventDefault();
		try {
			const told = await send(typed(form));
			dialog.close();
			write(byId("told"), told);
			byId("told").className = "";
		} catch (error) {
			write(byId("refused"), error.message);
		}
	};
	const opener = document.activeElement;
	dialog.onclose = () => keepFocus(opener);
	dialog.showModal();
}
byId("cancel").onclick = () => byId("dialog").close();

const confirmCode = ({ email, code }) =>
	ask(
		`Confirm ${email}`,
		[{ name: "code", label: "Code from the mail", value: code }],
		"Confirm",
		(form) => act("confirm", { email, ...form }),
	);

const signIn = ({ email, username }) =>
	ask(`Sign in as ${email}`, [{ name: "password", value: PASSWORD }], "Sign in", (form) =>
		act("signIn", { email: email ?? username, ...form }),
	);

function change({ email, username, rows }) {
	const fields = state.attributes.map(({ name, cognito }) => ({
		name: cognito,
		label: words(name),
		value: rows.find((row) => row.name === name)?.account,
	}));
	ask(`Change ${email}`, fields, "Change", (form) => {
		const changed = fields.filter(({ name, value = "" }) => form[name] !== value);
		if (changed.length === 0) return "Nothing was changed.";
		const attributes = Object.fromEntries(changed.map(({ name }) => [name, form[name]]));
		return act("change", { username, attributes });
	});
}

const signUp = byId("signUp");

/** Fills the form with somebody who has no account yet, so that one click signs them up. */
function suggest() {
	const taken = new Set(state.people.map(({ email }) => email?.toLowerCase()));
	for (let count = 0; ; count++) {
		const name = SUGGESTED[count % SUGGESTED.length];
		const [given, family] = name.split(" ");
		const number = count < SUGGESTED.length ? "" : count;
		const email = `${given}.${family}${number}@example.com`.toLowerCase();
		if (taken.has(email)) continue;
		const own = state.attributes.filter(({ own, cognito }) => own && cognito !== "email");
		const values = { name, given_name: given, family_name: family };
		const fields = [
			{ name: "email", value: email },
			{ name: "password", value: PASSWORD },
			...own.map((each) => ({
				name: each.cognito,
				label: words(each.name),
				value: values[each.cognito],
			})),
		];
		signUp.querySelector(".fields").replaceChildren(...fields.map(field));
		return;
	}
}

signUp.onsubmit = async (event) => {
	event.preventDefault();
	const { email, password, ...given } = typed(signUp);
	const attributes = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ""));
	if (await tell("signUp", { email, password, attributes })) suggest();
};

// What one sees

/** What to do next, for whoever has never seen this. */
function nextStep({ outages, people, queues }) {
	const down = outages.filter((each) => each.down).map(({ what }) => what);
	const areDown = `${down.join(" and the ")} ${down.length > 1 ? "are" : "is"} down`;
	const unconfirmed = people.find(({ status }) => status === "UNCONFIRMED");
	const differing = people.find(({ differs }) => differs);
	const resting = queues.find(({ deadLetters }) => deadLetters?.waiting > 0);
	if (unconfirmed) {
		return `${unconfirmed.email} was mailed the code ${unconfirmed.code}. Press “Confirm” beside it.`;
	}
	if (down.length > 0 && differing) {
		return `${differing.email} is in Cognito, and the profile cannot follow: the ${areDown}. Its event waits in a queue. Press “Repair the ${down[0]}”, and watch the profile follow.`;
	}
	if (down.length > 0) {
		return `The ${areDown} for every function. Sign somebody up now: it works all the same.`;
	}
	if (resting) {
		return `What could not be done in time rests in the dead-letter queue of ${resting.name}. Press “Redrive” beside it.`;
	}
	if (differing) {
		return `The account and the profile of ${differing.email} differ. An event is on its way to make them agree.`;
	}
	return "All is well. Press “Break the table”, then “Sign up”.";
}

function outageOf({ what }) {
	const toggle = make("button", { type: "button" });
	const told = make("span");
	const row = make("div", {}, toggle, told);
	row.update = ({ down }) => {
		write(toggle, `${down ? "Repair" : "Break"} the ${what}`);
		write(told, `The ${what} ${down ? "is down." : "works."}`);
		toggle.className = down ? "main" : "";
		told.className = down ? "state bad" : "faint";
		toggle.onclick = () => tell(down ? "repair" : "fail", { what });
	};
	return row;
}

function personOf({ sub }) {
	let person;
	const title = make("h3");
	const told = make("p");
	const buttons = Object.entries({
		Confirm: confirmCode,
		"Sign in": signIn,
		Change: change,
		Delete: ({ username }) => tell("delete", { username }),
	}).map(([text, does]) => make("button", { type: "button", onclick: () => does(person) }, text));
	buttons[0].className = "main";
	const who = make("p", {}, make("code", {}, `sub ${sub}`));
	const left = make("div", {}, title, who, told, make("div", { className: "buttons" }, ...buttons));
	const columns = ["", "Account in Cognito", "Profile in the table"];
	const head = columns.map((text) => make("th", { scope: "col" }, text));
	const body = make("tbody");
	const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), body);
	const item = make("li", {}, left, table);
	item.update = (now) => {
		person = now;
		const { email, username, status, hasProfile, differs, rows } = now;
		write(title, email ?? sub);
		write(told, summaryOf(now));
		told.className = `state ${differs ? "bad" : hasProfile ? "" : "pending"}`;
		for (const each of buttons) {
			const text = each.textContent;
			each.ariaLabel = `${text} ${email}`;
			each.hidden = username === undefined || (text === "Confirm" && status !== "UNCONFIRMED");
		}
		const filled = rows.filter(({ account, profile }) => (account ?? profile) !== undefined);
		show(body, filled, ({ name }) => name, rowOf);
	};
	return item;
}

function summaryOf({ username, hasProfile, differs }) {
	if (username === undefined) return "A profile without an account";
	if (!hasProfile) return differs ? "No profile yet" : "No profile before it is confirmed";
	return differs ? "Account and profile differ" : "Account and profile agree";
}

function rowOf({ name }) {
	const [account, profile] = [make("td"), make("td")];
	const row = make("tr", {}, make("th", { scope: "row" }, words(name)), account, profile);
	row.update = (now) => {
		write(account, now.account ?? "–");
		write(profile, now.profile ?? "–");
		row.className = now.differs ? "differs" : "";
	};
	return row;
}

function eventOf(event) {
	const json = JSON.stringify(event.detail);
	const [, sub] = /"sub":"([^"]+)"/.exec(json) ?? [];
	const time = new Date(event.time).toLocaleTimeString();
	const who = make("span", { className: "faint" });
	const summary = make(
		"summary",
		{},
		`${time} `,
		make("strong", {}, event["detail-type"]),
		" ",
		who,
	);
	const item = make(
		"li",
		{},
		make("details", {}, summary, make("pre", {}, JSON.stringify(event, null, 2))),
	);
	item.update = () => {
		const email = state.people.find((person) => person.sub === sub)?.email;
		write(who, [email, sub].filter(Boolean).join(", sub "));
	};
	return item;
}

function queueOf({ name }) {
	const cells = [make("td"), make("td"), make("td")];
	const count = make("span");
	const redrive = make("button", { type: "button", ariaLabel: `Redrive ${name}` }, "Redrive");
	cells[2].append(count, " ", redrive);
	const row = make("tr", {}, make("th", { scope: "row" }, name), ...cells);
	row.update = ({ arn, waiting, inFlight, deadLetters }) => {
		write(cells[0], String(waiting));
		write(cells[1], String(inFlight));
		write(count, deadLetters ? String(deadLetters.waiting) : "–");
		redrive.hidden = !deadLetters?.waiting;
		redrive.onclick = () => tell("redrive", { from: deadLetters.arn, to: arn });
	};
	return row;
}

function mailOf({ email }) {
	const code = make("code");
	const item = make("li", {}, `${email}: `, code);
	item.update = (now) => write(code, now.code);
	return item;
}

function logOf({ name }) {
	const title = make("h3", {}, name);
	const lines = make("pre", { tabIndex: 0, ariaLabel: `Log of ${name}` });
	const item = make("div", {}, title, lines);
	item.update = (now) => write(lines, now.lines.map(lineOf).reverse().join("\n") || "Nothing yet.");
	return item;
}

/** A line of a log as it is read best: the functions' own are JSON. */
function lineOf(line) {
	try {
		const { timestamp, level, message } = JSON.parse(line);
		return `${timestamp.slice(11, 23)} ${level} ${typeof message === "string" ? message : JSON.stringify(message)}`;
	} catch {
		return line;
	}
}

function countOf({ people, peopleInAll, differing }) {
	if (peopleInAll === 0) return "Nobody yet. Press “Sign up”.";
	const shown = people.length < peopleInAll ? ` The newest ${people.length} are shown.` : "";
	const differ = `${differing === 0 ? "no account" : differing} ${differing > 1 ? "differ" : "differs"}`;
	return `${peopleInAll} in all; ${differ} from the profile.${shown}`;
}

function render() {
	const byName = ({ name }) => name;
	const mailed = state.people.filter(({ code }) => code);
	write(byId("next"), nextStep(state));
	write(byId("count"), countOf(state));
	show(byId("outages"), state.outages, ({ what }) => what, outageOf);
	show(byId("people"), state.people, ({ sub }) => sub, personOf);
	show(byId("events"), state.events, ({ id }) => id, eventOf);
	show(byId("queues"), state.queues, byName, queueOf);
	show(byId("mails"), mailed, ({ email }) => email, mailOf);
	show(byId("logs"), state.functions, byName, logOf);
}

/** Brings the focus to the people when what had it is gone, so that whoever uses the keyboard need not begin again. */
function keepFocus(focused) {
	if (!focused.checkVisibility()) byId("peopleTitle").focus();
}

function tellLost(why) {
	write(byId("lost"), why);
	byId("lost").hidden = why === undefined;
	document.body.className = why === undefined ? "" : "lost";
}

let asked = 0;
let shown = 0;

/** Asks for all there is to see, and shows it, unless what was asked for later is shown already. */
async function refresh() {
	const number = ++asked;
	const response = await fetch("/page/state", { signal: AbortSignal.timeout(5000) }).catch(
		() => undefined,
	);
	const answer = await response?.json().catch(() => undefined);
	if (number < shown) return;
	shown = number;
	if (!response?.ok || !answer) {
		const gone = "The stack does not answer. Run npm start again: this page finds it by itself.";
		return tellLost(answer?.error ? `The stack answers: ${answer.error}` : gone);
	}
	const first = state === undefined;
	const focused = document.activeElement;
	state = answer;
	render();
	if (first) suggest();
	keepFocus(focused);
	tellLost();
}

for (;;) {
	await refresh();
	await new Promise((resolve) => setTimeout(resolve, 1000));
}
