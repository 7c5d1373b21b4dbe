import { RunError } from "@pulumi/pulumi/errors";

type Test = (value: unknown) => boolean;

/**
 * Makes a test of events from a pattern, as rules of EventBridge and filters of Lambda's event source mappings have it.
 *
 * @param json - the pattern
 * @param where - whose it is, as in "the rule recordUser"
 * Throws `pulumi.RunError` if it matches in a way that is not understood.
 */
export function compilePattern(json: string, where: string): Test {
	function compile(pattern: unknown): Test {
		if (Array.isArray(pattern)) {
			const tests = pattern.map(compileMatcher);
			return (value) => tests.some((test) => test(value));
		}
		const { $or, ...fields } = Object(pattern);
		const either = $or === undefined ? undefined : [$or].flat().map(compile);
		const tests = Object.entries(fields).map(([field, inner]) => [field, compile(inner)] as const);
		return (value) =>
			tests.every(([field, test]) => test(Object(value)[field])) &&
			(either?.some((test) => test(value)) ?? true);
	}

	/** One of several in a list. */
	function compileMatcher(matcher: unknown): Test {
		if (!(matcher instanceof Object)) return (value) => leaves(value).includes(matcher);
		const [[kind, operand] = [], ...others] = Object.entries(matcher);
		if (others.length === 0) {
			if (kind === "exists" && typeof operand === "boolean") {
				return (value) => leaves(value).length > 0 === operand;
			}
			if (kind === "prefix" && typeof operand === "string") {
				return (value) => leaves(value).some((leaf) => String(leaf).startsWith(operand));
			}
			const unwanted = [operand].flat();
			if (kind === "anything-but" && !unwanted.some((each) => each instanceof Object)) {
				return (value) => leaves(value).some((leaf) => !unwanted.includes(leaf));
			}
		}
		throw new RunError(
			`The embedded stack does not understand how ${where} matches events by ${JSON.stringify(matcher)}: use exact values, "exists", "prefix" or "anything-but", or teach local/aws/eventPattern.ts to match it.`,
		);
	}

	return compile(JSON.parse(json));
}

/** The values that a field has: several in a list, and none where it is missing or holds fields of its own. */
function leaves(value: unknown): unknown[] {
	return [value].flat().filter((each) => each !== undefined && !(each instanceof Object));
}
