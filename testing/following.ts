/** What has come, since this is called, to a list that keeps its last entries alone; no entry is in it twice. */
export function following<T>(list: () => readonly T[]): () => T[] {
	const before = new Set(list());
	return () => list().filter((each) => !before.has(each));
}
