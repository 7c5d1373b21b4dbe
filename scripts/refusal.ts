import { CommanderError } from "commander";

/** What ends a command before it has begun, in one sentence; `status` is 2 for wrong usage. */
export class Refusal extends Error {
	constructor(
		message: string,
		readonly status = 1,
	) {
		super(message);
	}
}

export const wrongUsage = (message: string) => new Refusal(message, 2);

/** Runs a command, and turns what it throws into a message on standard error and an exit status. */
export async function runCommand(main: () => Promise<void>): Promise<void> {
	process.stdout.on("error", tellLost);
	process.stderr.on("error", () => {}); // There is nobody left to tell.
	// Node.js 20 is supported here; the SDK's advice to leave it is not for whoever runs this.
	process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
	try {
		await main();
	} catch (error) {
		if (error instanceof CommanderError) {
			// Commander has said it.
			if (error.exitCode !== 0) process.exitCode = 2;
		} else if (error instanceof Refusal) {
			console.error(error.message);
			process.exitCode = error.status;
		} else {
			// Anything else is a defect of the command.
			console.error(error);
			process.exitCode = 1;
		}
	}
}

/** A reader that has gone, as `head` does, wants no more, and the work goes on; on a full disk the output is lost. */
function tellLost({ code }: NodeJS.ErrnoException): void {
	if (code === "EPIPE" || code === "EIO") return;
	console.error(`The output cannot be written (${code}).`);
	process.exitCode = 1;
}
