/** One figure of the benchmark, with the limit that it must keep, if there is one. */
export interface Figure {
	readonly section: string;
	readonly name: string;
	readonly value: number;
	readonly unit: "ms" | "kB" | "ops/s" | "ratio" | "count" | "units";
	/** The most that the figure may be. */
	readonly limit?: number;
	/** How far the figure may be from the truth: half the interquartile range of the run; 0 for what is counted. */
	readonly spread: number;
}

/** Whether a figure is over its limit by more than the spread of the run explains. */
export const isMissed = ({ value, limit, spread }: Figure) =>
	limit !== undefined && value - spread > limit;

/** The value below which a part of the sorted sample lies, by the nearest rank. */
export function quantile(sample: readonly number[], part: number): number {
	const sorted = [...sample].sort((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}

export const median = (sample: readonly number[]) => quantile(sample, 0.5);

/** Half the interquartile range: how far apart the middle half of a sample lies around its median. */
export const spreadOf = (sample: readonly number[]) =>
	(quantile(sample, 0.75) - quantile(sample, 0.25)) / 2;

/** The median of a measured time, in milliseconds. */
export const time = (section: string, name: string, sample: readonly number[]): Figure => ({
	section,
	name,
	value: median(sample),
	unit: "ms",
	spread: spreadOf(sample),
});

/** One time against another, both measured in the same rounds: the median of the rounds' own ratios. */
export function ratio(
	section: string,
	name: string,
	sample: readonly number[],
	against: readonly number[],
	limit?: number,
): Figure {
	const ratios = sample.map((value, round) => value / (against[round] ?? Number.NaN));
	return {
		section,
		name,
		value: median(ratios),
		unit: "ratio",
		spread: spreadOf(ratios),
		...(limit !== undefined && { limit }),
	};
}
