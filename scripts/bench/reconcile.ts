import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { errAsync, ok, okAsync, ResultAsync } from "neverthrow";
import type { Identity, User } from "../../domain";
import type { Listing } from "../../domain/sync/page";
import { type ListedAccount, type ReconcileOptions, reconcile } from "../../domain/sync/reconcile";
import type { Figure } from "./figure";

const pageSize = 60;
const samplesPerRun = 10;

/**
 * Measures what reconcile itself takes for new accounts, in pools of different sizes: how many a second, and the most heap. The
 * ports answer in the next turn of the event loop, and keep nothing.
 */
export async function reconciling({
	sizes,
	onPool,
}: {
	sizes: readonly [number, ...number[]];
	onPool: () => void;
}): Promise<Figure[]> {
	setFlagsFromString("--expose-gc");
	const collect: () => void = runInNewContext("gc");
	await reconcile({ ...ports(), accounts: accounts(sizes[0]) }); // so that what runs is compiled
	const figures: Figure[] = [];
	let smallestHeap: number | undefined;
	for (const size of sizes) {
		const section = "Reconcile";
		const named = (what: string) => `${what}, ${size.toLocaleString("en")} new`;
		let most = 0;
		let paused = 0;
		const begun = performance.now();
		await reconcile({
			...ports(),
			accounts: accounts(size),
			onProgress: ({ done }) => {
				if (done % (size / samplesPerRun) !== 0) return;
				const before = performance.now();
				collect();
				most = Math.max(most, process.memoryUsage().heapUsed);
				paused += performance.now() - before;
			},
		});
		const seconds = (performance.now() - begun - paused) / 1000;
		smallestHeap ??= most;
		figures.push(
			{
				section,
				name: named("accounts a second"),
				value: size / seconds,
				unit: "ops/s",
				spread: 0,
			},
			{ section, name: named("most heap"), value: most / 1000, unit: "kB", spread: 0 },
		);
		if (most !== smallestHeap) {
			const value = (most - smallestHeap) / 1000;
			const name = named(`heap over that of ${sizes[0].toLocaleString("en")}`);
			figures.push({ section, name, value, unit: "kB", limit: 3_000, spread: 0 });
		}
		onPool();
	}
	return figures;
}

const later = <T>(value: () => T) => ResultAsync.fromSafePromise(setImmediate()).map(value);

/** Accounts that have no profile yet, made as they are listed. */
const accounts =
	(count: number): Listing<ListedAccount, never> =>
	(token = "0") =>
		later(() => {
			const from = Number(token);
			const to = Math.min(from + pageSize, count);
			return {
				items: Array.from({ length: to - from }, (_, index) => {
					const identity = identityOf(`sub-${from + index}`);
					return { sub: identity.sub, confirmed: true, account: ok({ identity }) };
				}),
				next: to < count ? String(to) : undefined,
			};
		});

const identityOf = (sub: string): Identity => ({
	sub,
	username: sub,
	email: `${sub}@example.com`,
	emailVerified: true,
});

function ports(): Pick<ReconcileOptions, "users" | "userPool"> {
	const none = () => errAsync({ type: "UserNotFound" as const });
	const userOf = (identity: Identity): User => ({
		...identity,
		userId: identity.sub,
		createdAt: "2026-01-01T00:00:00.000Z",
		updatedAt: "2026-01-01T00:00:00.000Z",
		identityVersion: 1,
		emailClaim: "",
	});
	return {
		users: {
			findBySub: none,
			findByEmail: none,
			findByUserId: none,
			register: (identity) => later(() => userOf(identity)),
			replaceIdentity: (user) => okAsync(user),
			update: none,
			remove: () => okAsync(undefined),
		},
		userPool: {
			findAccount: (username) => later(() => ({ identity: identityOf(username), confirmed: true })),
			link: () => later(() => undefined),
		},
	};
}
