import {
	CognitoIdentityProviderClient,
	paginateListUsers,
	type UserType,
} from "@aws-sdk/client-cognito-identity-provider";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { DynamoDBDocumentClient, paginateScan } from "@aws-sdk/lib-dynamodb";
import { attributesByName, confirmedStatuses } from "../../adapters/userPool";
import { applicationAttributes } from "../../domain/user/attributes";
import { readUser } from "../../domain/user/entity";
import { identityEntries, parseAccount } from "../../domain/user/identity";
import { profileSortKey, subOfPartition } from "../../domain/user/keys";
import { linkAttribute } from "../../domain/user/registry";
import { declared } from "../program";
import type { Stack } from "../stack";
import type { Outages } from "./outages";

/** How much the page shows at most of what there may be any number of. */
const PEOPLE = 20;
const EVENTS = 50;
const LOG_LINES = 6;

type Fields = Record<string, unknown>;

/** What the page shows: a function that reads it anew, as it stands. Whatever the program declares is in it by itself. */
export function createState(stack: Stack, outages: Outages) {
	const cognito = new CognitoIdentityProviderClient(stack.clientOptions);
	const table = DynamoDBDocumentClient.from(new DynamoDBClient(stack.clientOptions));
	const sqs = new SQSClient(stack.clientOptions);

	async function listAccounts(): Promise<UserType[]> {
		const accounts: UserType[] = [];
		const UserPoolId = stack.outputs.userPoolId;
		for await (const page of paginateListUsers({ client: cognito }, { UserPoolId })) {
			accounts.push(...(page.Users ?? []));
		}
		return accounts;
	}

	/** The profiles by their sub, as the domain reads them; as they lie in the table, where it cannot. */
	async function listProfiles(): Promise<Map<string, Fields>> {
		const profiles = new Map<string, Fields>();
		const scan = {
			TableName: stack.outputs.tableName,
			FilterExpression: "SK = :profile",
			ExpressionAttributeValues: { ":profile": profileSortKey },
		};
		for await (const { Items = [] } of paginateScan({ client: table }, scan)) {
			for (const item of Items) {
				const read = readUser(item).match<Fields>(
					(user) => ({ ...user }),
					() => item,
				);
				profiles.set(subOfPartition(item.PK), read);
			}
		}
		return profiles;
	}

	async function listPeople() {
		const [accounts, profiles] = await Promise.all([listAccounts(), listProfiles()]);
		const people = accounts.map((account) => {
			const sub = attributesByName(account.Attributes).sub ?? "";
			const profile = profiles.get(sub);
			profiles.delete(sub);
			return personOf(sub, account, profile);
		});
		for (const [sub, profile] of profiles) people.push(personOf(sub, undefined, profile));
		return people.sort((one, other) => other.since.localeCompare(one.since));
	}

	function personOf(sub: string, account: UserType | undefined, profile: Fields | undefined) {
		const { Username = "", UserStatus, UserCreateDate, Attributes } = account ?? {};
		const stored = attributesByName(Attributes);
		const identity: Fields = parseAccount(Username, stored).match(
			(parsed) => parsed.identity,
			() => Object.fromEntries(identityEntries.map(([name, each]) => [name, stored[each.cognito]])),
		);
		const row = (name: string, cognito: string, ofAccount: unknown, ofProfile: unknown) => ({
			name,
			cognito,
			account: textOf(ofAccount),
			profile: textOf(ofProfile),
			differs: account !== undefined && profile !== undefined && ofAccount !== ofProfile,
		});
		const rows = [
			{
				...row("status", "", UserStatus ?? "none", profile ? "stored" : "none"),
				differs: confirmedStatuses.includes(UserStatus) !== (profile !== undefined),
			},
			...identityEntries
				.map(([name, { cognito }]) => row(name, cognito, identity[name], profile?.[name]))
				// What names the account is of interest only where it is not the same.
				.filter(({ name, differs }) => differs || !["sub", "username"].includes(name)),
			row("userId", linkAttribute, stored[linkAttribute], profile?.userId),
			...Object.keys(applicationAttributes).map((name) => ({
				...row(name, "", undefined, profile?.[name]),
				differs: false,
			})),
		];
		const email = stored.email ?? textOf(profile?.email);
		return {
			sub,
			username: account && Username,
			email,
			status: UserStatus,
			since: UserCreateDate?.toISOString() ?? "",
			hasProfile: profile !== undefined,
			differs: rows.some(({ differs }) => differs),
			rows,
			code: email === undefined ? undefined : stack.codeFor(email),
		};
	}

	async function listQueues() {
		const queues = declared(stack.program, "aws:sqs/queue:Queue").map((queue) => {
			const { deadLetterTargetArn } = JSON.parse(queue.inputs.redrivePolicy ?? "{}");
			return { ...queue, deadLetterTargetArn };
		});
		const counted = await Promise.all(
			queues.map(async ({ name, id, arn, deadLetterTargetArn }) => {
				const { Attributes } = await sqs.send(
					new GetQueueAttributesCommand({ QueueUrl: id, AttributeNames: ["All"] }),
				);
				const waiting = Number(Attributes?.ApproximateNumberOfMessages);
				const inFlight = Number(Attributes?.ApproximateNumberOfMessagesNotVisible);
				return { name, arn, waiting, inFlight, deadLetterTargetArn };
			}),
		);
		return counted
			.filter(({ arn }) => !queues.some((each) => each.deadLetterTargetArn === arn))
			.map(({ deadLetterTargetArn, ...queue }) => ({
				...queue,
				deadLetters: counted.find(({ arn }) => arn === deadLetterTargetArn),
			}));
	}

	return async () => {
		const [people, queues] = await Promise.all([listPeople(), listQueues()]);
		return {
			outages: outages.list(),
			/** What may be said of a person, and whether a person may say it of themselves. */
			attributes: identityEntries
				.filter(([, { cognito }]) => !["sub", "username", "email_verified"].includes(cognito))
				.map(([name, { cognito, client }]) => ({ name, cognito, own: client === "readWrite" })),
			people: people.slice(0, PEOPLE),
			peopleInAll: people.length,
			differing: people.filter(({ differs }) => differs).length,
			queues,
			events: stack.events().slice(-EVENTS).reverse(),
			functions: declared(stack.program, "aws:lambda/function:Function").map(({ name }) => ({
				name,
				lines: stack.logs(name).slice(-LOG_LINES),
			})),
		};
	};
}

const textOf = (value: unknown): string | undefined =>
	value === undefined || value === null ? undefined : String(value);
