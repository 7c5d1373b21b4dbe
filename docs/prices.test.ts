import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";

const cents = (dollars: unknown) => Math.round(Number(dollars) * 100);

/** The tables of prices.md that end with a sum, as rows of cells. */
const tables = readFileSync(join(__dirname, "prices.md"), "utf8")
	.split("\n\n")
	.filter((block) => block.includes("| **sum**"))
	.map((block) =>
		block
			.trim()
			.split("\n")
			.map((row) => row.split("|").map((cell) => cell.replaceAll("*", "").trim())),
	);

for (const [[, title] = [], , ...rows] of tables) {
	test(`the prices of what ${title} are units times price, and add up`, (t) => {
		const lines = rows.slice(0, -1);
		for (const [, what, units, price, product] of lines) {
			t.is(cents(product), cents(Number(units) * Number(price)), what);
		}
		const sum = lines.reduce((total, line) => total + cents(line[4]), 0);
		t.is(cents(rows.at(-1)?.[4]), sum);
	});
}
