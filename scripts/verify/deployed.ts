import { randomUUID } from "node:crypto";
import {
	AdminConfirmSignUpCommand,
	AdminDeleteUserCommand,
	CognitoIdentityProviderClient,
	UserNotFoundException,
} from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { marshall } from "@aws-sdk/util-dynamodb";
import { err, ok } from "neverthrow";
import { Skipped, type Steps, toMessage } from "../../demonstration/run";
import { demonstrationOf } from "../../demonstration/steps";
import { inWords, notYet } from "../../demonstration/until";
import { profileKey } from "../../domain/user/keys";
import { connectionOf, type Place } from "../place";

/** The demonstration on a deployed stack. */
export interface Deployed {
	/** Of whom it is: an address of SES's mailbox simulator, so that the mail with the code does not bounce. */
	readonly email: string;
	readonly steps: Steps;
	/**
	 * Removes the account and the profile, if they may be there. It may be called at any time, and never rejects.
	 *
	 * @returns what could not be removed: why, and the command that does it
	 */
	cleanUp(): Promise<readonly string[]>;
}

/**
 * Makes the demonstration on a deployed stack, where an administrator confirms and deletes the account of a person who is nobody:
 * https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html
 *
 * @param seconds the longest time that anything is waited for
 */
export function demonstrationOn(
	place: Place<"userPoolId" | "clientId" | "table">,
	seconds: number,
): Deployed {
	const { userPoolId, clientId, table, region, endpoint } = place;
	const email = `success+${randomUUID()}@simulator.amazonses.com`;
	const connection = { ...connectionOf(place), maxAttempts: 6 };
	const cognito = new CognitoIdentityProviderClient(connection);
	const dynamodb = new DynamoDBClient(connection);
	const { person, users, wait, ...shown } = demonstrationOf({
		...{ cognito, dynamodb, userPoolId, clientId, tableName: table, email, seconds },
		password: `${randomUUID()}-Aa1!`,
	});
	const account = { UserPoolId: userPoolId, Username: email };
	/** Whether she, and what is stored of her, may be there. */
	const mayExist = { account: true, profile: true };

	async function deleteAccount(): Promise<void> {
		await cognito.send(new AdminDeleteUserCommand(account));
		mayExist.account = false;
	}

	/** Removes the profile; answers why it could not. */
	async function removeProfile(): Promise<string | undefined> {
		const removed = await users.remove(person.sub);
		if (removed.isErr()) return inWords(removed.error);
		mayExist.profile = false;
		return undefined;
	}

	const steps: Steps = {
		...shown.signsUp,
		"an administrator confirms the sign-up": async () => {
			await cognito.send(new AdminConfirmSignUpCommand(account));
			return "AdminConfirmSignUp";
		},
		"the profile is in the table": async () => {
			await wait(() => users.findBySub(person.sub));
			const { PK, SK } = profileKey(person.sub);
			return `${PK}, ${SK}`;
		},
		...shown.isFound,
		...shown.signsIn,
		...shown.isChanged,
		"an administrator deletes the account, and the profile goes": async () => {
			await deleteAccount();
			if (!person.isFollowed) {
				const problem = await removeProfile();
				if (problem) throw new Error(problem);
				return new Skipped("no trail was seen: this removed the profile, as reconcile would");
			}
			await wait(() =>
				users
					.findBySub(person.sub)
					.andThen(() => err(notYet("it is still there, though CloudTrail told of the change")))
					.orElse((error) => (error.type === "UserNotFound" ? ok() : err(error))),
			);
			mayExist.profile = false;
			return "by CloudTrail";
		},
	};

	async function cleanUp(): Promise<readonly string[]> {
		await person.signedUp;
		const left: string[] = [];
		if (mayExist.account) {
			await deleteAccount().catch((error: unknown) => {
				if (error instanceof UserNotFoundException) return;
				const command = `cognito-idp admin-delete-user --user-pool-id ${userPoolId} --username ${email}`;
				left.push(`the account ${email} (${toMessage(error)}): ${aws(command)}`);
			});
		}
		if (mayExist.profile && person.sub !== "") {
			const problem = await removeProfile();
			const key = JSON.stringify(marshall(profileKey(person.sub)));
			const command = `dynamodb delete-item --table-name ${table} --key '${key}'`;
			if (problem) left.push(`the profile of ${person.sub} (${problem}): ${aws(command)}`);
		}
		return left;
	}

	const aws = (command: string) =>
		[
			`aws ${command}`,
			...(region ? ["--region", region] : []),
			...(endpoint ? ["--endpoint-url", endpoint] : []),
		].join(" ");

	return { email, steps, cleanUp };
}
