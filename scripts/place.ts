import { Command, Option } from "commander";
import type { Target } from "./explain";
import { Refusal, wrongUsage } from "./refusal";
import { readStackOutputs } from "./stackOutputs";

/** What a command may work on: the flag that names it, and the output of the stack that does. */
const resources = {
	userPoolId: { flag: "--user-pool-id <id>", output: "userPoolId", what: "user pool" },
	clientId: { flag: "--client-id <id>", output: "userPoolClientId", what: "app client" },
	table: { flag: "--table <name>", output: "tableName", what: "table" },
	stateMachine: {
		flag: "--state-machine <arn>",
		output: "reconcileStateMachineArn",
		what: "state machine",
	},
} as const;

export type Resource = keyof typeof resources;

/** The flags that say where to work. */
export type PlaceFlags = { readonly [Name in Resource]?: string } & {
	readonly stack?: string;
	readonly region?: string;
	readonly endpoint?: string;
};

/** Where to work. */
export type Place<Name extends Resource> = { readonly [Each in Name]: string } & {
	/** What the environment says, if undefined. */
	readonly region: string | undefined;
	/** AWS, if undefined. */
	readonly endpoint: string | undefined;
};

/** A command with the flags that say where to work: a stack, or each of `names` by hand. */
export function placedCommand(
	name: string,
	description: string,
	names: readonly Resource[],
): Command {
	const command = new Command(`npm run ${name} --`)
		.description(description)
		.addOption(naming("--stack <name>", "the Pulumi stack to read the following from"));
	for (const name of names) {
		const { flag, what } = resources[name];
		command.addOption(naming(flag, `the ${what}`));
	}
	return command
		.addOption(
			new Option("--region <region>", "the AWS region of all that").argParser((text) => {
				if (/^[a-z]{2,}(-[a-z]+)+-\d+$/.test(text)) return text;
				throw wrongUsage(`--region takes an AWS region, such as eu-west-1, not '${text}'.`);
			}),
		)
		.addOption(
			new Option("--endpoint <url>", "where AWS is, if not on AWS: the embedded stack").argParser(
				(text) => {
					if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
					throw wrongUsage(
						`--endpoint takes a URL of http or https, such as http://127.0.0.1:4566, not '${text}'.`,
					);
				},
			),
		)
		.allowExcessArguments(false)
		.exitOverride()
		.configureOutput({
			outputError: (message, write) => write(`${toSentence(message)}\n`),
		});
}

/** A flag that names something: an empty text, as of a variable that is not set, names nothing. */
export const naming = (flag: string, what: string): Option =>
	new Option(flag, what).argParser((text) => {
		if (text !== "") return text;
		throw wrongUsage(`${nameOf(flag)} is empty: is a variable not set?`);
	});

/** Where to work: the stack's outputs, over which flags given by hand go. Throws what is wrong. */
export async function resolvePlace<Name extends Resource>(
	flags: PlaceFlags,
	names: readonly Name[],
): Promise<Place<Name>> {
	const { stack, region, endpoint } = flags;
	const missing = names.filter((name) => flags[name] === undefined);
	const outputs: Record<string, string> = {};
	if (stack !== undefined) {
		const wanted = [...missing.map((name) => resources[name].output), "region"];
		const read = await readStackOutputs(stack, wanted);
		if (read.isErr()) throw new Refusal(read.error);
		Object.assign(outputs, read.value);
	} else if (missing.length > 0) {
		const byHand = names.map((name) => resources[name].flag).join(" and ");
		throw wrongUsage(`Say where: with --stack <name>, or with ${byHand}.`);
	}
	const found = names.map((name) => [name, flags[name] ?? outputs[resources[name].output]]);
	return {
		...(Object.fromEntries(found) as { [Each in Name]: string }), // each is in flags or outputs
		region: region ?? outputs.region,
		endpoint,
	};
}

/** How to reach AWS, with patience for a slow answer, and none for a lost one. */
export const connectionOf = ({ region, endpoint }: Place<never>) => ({
	...(region && { region }),
	...(endpoint && { endpoint }),
	requestHandler: {
		connectionTimeout: 5_000,
		requestTimeout: 10_000,
		throwOnRequestTimeout: true,
	},
});

/** One of the resources of a place, as the sentences about it name it. */
export function targetOf<Name extends Resource>(name: Name, place: Place<Name>): Target {
	const { flag, what } = resources[name];
	const inRegion = place.region ? ` in ${place.region}` : "";
	return { what: `${what} ${place[name]}${inRegion}`, flag: nameOf(flag) };
}

const nameOf = (flag: string) => flag.split(" ")[0] ?? flag;

/** What commander says, in the form of the other messages. */
function toSentence(message: string): string {
	const [first = ""] = message.replace(/^error: /, "").split(/\n|\. /);
	return `${first.charAt(0).toUpperCase()}${first.slice(1)}; see --help.`;
}
