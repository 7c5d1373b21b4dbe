import { randomUUID } from "node:crypto";
import { toEventEntry } from "../../domain/user/events";
import { declared } from "../../local/program";
import type { Stack } from "../../local/stack";
import { People } from "../../testing/people";
import { type Figure, ratio, time } from "./figure";

/** How long a call takes, so that what is measured is the function, and not an emulator that does one thing at a time. */
const milliseconds = 25;

/** Measures recordUser, warm, with a batch of ten new accounts against a batch of one, in turn, where each call takes its time. */
export async function batches(
	stack: Stack,
	{ rounds, onRound }: { rounds: number; onRound: () => void },
): Promise<Figure[]> {
	const people = new People(stack);
	const fn = declared(stack.program, "aws:lambda/function:Function").find(
		({ name }) => name === "recordUser",
	);
	const url = `${stack.endpoint}/2015-03-31/functions/${fn?.physicalName}/invocations`;

	/** The milliseconds that a batch of so many events takes, each of a new account. */
	async function recordMany(size: number): Promise<number> {
		const Records = [];
		for (let index = 0; index < size; index++) {
			const email = `${randomUUID()}@example.com`;
			const sub = await people.admit(email);
			const identity = { sub, username: sub, email, emailVerified: true };
			const entry = toEventEntry({ type: "UserConfirmed", account: { identity } });
			const body = {
				source: entry.source,
				"detail-type": entry.detailType,
				detail: JSON.parse(entry.detail),
			};
			Records.push({ messageId: String(index), body: JSON.stringify(body) });
		}
		await stack.settled();
		const begun = performance.now();
		const response = await fetch(url, {
			method: "POST",
			headers: { authorization: "Credential=local/" },
			body: JSON.stringify({ Records }),
		});
		const answer = await response.text();
		const took = performance.now() - begun;
		if (answer !== '{"batchItemFailures":[]}') throw new Error(`a batch failed: ${answer}`);
		await stack.settled();
		return took;
	}

	for (const service of ["dynamodb", "cognito-idp"] as const) {
		stack.fault({ service, caller: "recordUser", kind: "delay", milliseconds });
	}
	await recordMany(10);
	const ones: number[] = [];
	const tens: number[] = [];
	for (let round = 0; round < rounds; round++) {
		ones.push(await recordMany(1));
		tens.push(await recordMany(10));
		onRound();
	}
	const section = `Batches of recordUser, each call ${milliseconds} ms`;
	return [
		time(section, "one new account", ones),
		time(section, "ten new accounts", tens),
		ratio(section, "ten new accounts against one", tens, ones, 3),
	];
}
