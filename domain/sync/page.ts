import type { ResultAsync } from "neverthrow";

/** A part of something that is listed page by page. */
export interface Page<T> {
	readonly items: readonly T[];
	/** The token of the page after this one; there is none after the last. */
	readonly next?: string | undefined;
}

/** Reads the page that a token is of, and without a token the first one. */
export type Listing<T, E> = (token?: string) => ResultAsync<Page<T>, E>;
