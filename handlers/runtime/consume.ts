import type { Result } from "neverthrow";

/** A stand-in for the handler of a queue's batch. */
export const consume =
	<T, E extends { readonly type: string }>(
		work: (event: unknown) => Result<T, E> | PromiseLike<Result<T, E>>,
	) =>
	async (event: unknown): Promise<void> => {
		const result = await work(event);
		if (result.isErr()) throw new Error(result.error.type);
	};
