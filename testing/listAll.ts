import type { Listing } from "../domain/sync/page";

/** Everything that is listed, page by page; it throws where the listing cannot go on. */
export async function listAll<T>(list: Listing<T, unknown>): Promise<T[]> {
	const all: T[] = [];
	let token: string | undefined;
	do {
		const { items, next } = (await list(token))._unsafeUnwrap();
		all.push(...items);
		token = next;
	} while (token !== undefined);
	return all;
}
