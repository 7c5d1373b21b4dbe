import { randomInt } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import {
	CognitoError,
	InvalidParameterError,
	NotAuthorizedError,
	UnsupportedError,
	UserNotFoundError,
} from "cognito-local/lib/errors";
import { jwk } from "cognito-local/lib/keys/cognitoLocal.public.json";
import { DefaultConfig } from "cognito-local/lib/server/config";
import { Router } from "cognito-local/lib/server/Router";
import {
	CognitoServiceImpl,
	DateClock,
	LambdaService,
	MessagesService,
	TriggersService,
} from "cognito-local/lib/services";
import type { AppClient } from "cognito-local/lib/services/appClient";
import { USER_POOL_AWS_DEFAULTS } from "cognito-local/lib/services/cognitoService";
import type { Context } from "cognito-local/lib/services/context";
import type { DataStore } from "cognito-local/lib/services/dataStore/dataStore";
import { MessageDeliveryService } from "cognito-local/lib/services/messageDelivery/messageDelivery";
import { JwtTokenGenerator } from "cognito-local/lib/services/tokenGenerator";
import {
	attribute,
	attributesAppend,
	attributeValue,
	type User,
	type UserPool,
	UserPoolServiceImpl,
} from "cognito-local/lib/services/userPoolService";
import { type Call, type Endpoint, ServiceError } from "../endpoint";
import { declared, type Program } from "../program";

const TRIGGER_LIMIT_MS = 5000;
const TRIGGER_ATTEMPTS = 3;
const LARGEST_PAGE = 60;
/** Those that cognito-local calls. */
const TRIGGERS =
	/^(CustomMessage|Post(Authentication|Confirmation)|PreSignUp|PreTokenGeneration|UserMigration)$/;

/** cognito-local logs that a trigger has failed, and goes on; on AWS, the sign-up or sign-in fails. */
const throwCognitoError = (logged: unknown) => {
	if (logged instanceof CognitoError) throw logged;
};
const logger: Context["logger"] = {
	child: () => logger,
	debug() {},
	info() {},
	warn: throwCognitoError,
	error: throwCognitoError,
};
const context: Context = { logger };

/** The fields of Cognito's requests that are read here. */
interface Request {
	UserPoolId?: string;
	Username?: string;
	ClientId?: string;
	AccessToken?: string;
	AuthFlow?: string;
	AuthParameters?: { USERNAME?: string; PASSWORD?: string };
	UserAttributes?: { Name: string }[];
	Limit?: number;
	PaginationToken?: string;
}

/**
 * Cognito with the declared pool and its app clients: cognito-local, in memory, and corrected where it
 * differs from AWS in what this project relies on.
 *
 * @returns the service, and `codeFor`, the last code or temporary password sent to an email address.
 * Rejects with `pulumi.RunError` for a second pool, or a trigger that cognito-local does not call.
 */
export async function startCognito(program: Program, endpoint: Endpoint) {
	const codes = new Map<string, string>();
	const clock = new DateClock();
	const cognito = await createPools(program, clock);
	const lambda = createTriggers(program, endpoint);
	// The last argument is for a trigger that encrypts what it sends: of AWS's SDK, and not needed here.
	const triggers = new TriggersService(clock, cognito, lambda, undefined as never);
	const tokens = new JwtTokenGenerator(clock, triggers, { IssuerDomain: endpoint.url });
	const keepCode = async (_: Context, __: User, to: string, message: { __code?: string }) => {
		if (message.__code !== undefined) codes.set(to.toLowerCase(), message.__code);
	};
	const delivery = new MessageDeliveryService({ sendEmail: keepCode, sendSms: keepCode });
	const router = Router({
		clock,
		cognito,
		config: DefaultConfig,
		messages: new MessagesService(triggers, delivery),
		otp: () => String(randomInt(1_000_000)).padStart(6, "0"),
		tokenGenerator: {
			generate: (context, user, groups, client, ...rest) =>
				tokens.generate(context, readableUser(user, client), groups, client, ...rest),
		},
		triggers,
	});

	return {
		codeFor: (email: string): string | undefined => codes.get(email.toLowerCase()),

		async service({ operation, body }: Call): Promise<object> {
			if (operation === "GetSigningKeys") return { keys: [jwk] };
			try {
				await refuseAsAws(cognito, operation, body);
				const answer = await router(operation)(context, body);
				return operation === "ListUsers" ? pageOf(answer, body) : answer;
			} catch (error) {
				if (error instanceof UnsupportedError) {
					throw new ServiceError("UnsupportedOperation", `cognito-local: ${error.message}.`);
				}
				if (!(error instanceof CognitoError)) throw error;
				// cognito-local writes one of the suffixes twice.
				const code = error.code.replace("ExceptionException", "Exception");
				throw new ServiceError(code, error.message);
			}
		},
	};
}

async function createPools(program: Program, clock: DateClock): Promise<CognitoServiceImpl> {
	const stores = new MemoryStore({ Clients: {} });
	const cognito = new CognitoServiceImpl(
		"",
		stores,
		{},
		{
			create: async (_, clients, options) =>
				new Pool(clients, clock, new MemoryStore({ Users: {}, Options: options }), options),
		},
	);
	Object.assign(cognito, { userPools: [] }); // its init() would read them from a directory

	const standard = USER_POOL_AWS_DEFAULTS.SchemaAttributes ?? [];
	for (const { id, inputs } of declared(program, "aws:cognito/userPool:UserPool")) {
		const { userAttributeUpdateSettings: update, schemas = [], ...rest } = inputs;
		const custom = schemas
			.filter(({ name }) => !standard.some(({ Name }) => Name === name))
			.map((schema) => ({ ...Object(capitalised(schema)), Name: `custom:${schema.name}` }));
		await cognito.createUserPool(context, {
			// Pulumi's names are AWS's own, in camel case.
			...(capitalised(rest) as Omit<UserPool, "Id">),
			Id: id,
			SchemaAttributes: [...standard, ...custom],
			UserAttributeUpdateSettings: {
				AttributesRequireVerificationBeforeUpdate:
					update?.attributesRequireVerificationBeforeUpdates ?? [],
			},
		});
	}
	for (const { id, physicalName, inputs } of declared(
		program,
		"aws:cognito/userPoolClient:UserPoolClient",
	)) {
		const pool = await cognito.getUserPool(context, inputs.userPoolId);
		await pool.saveAppClient(context, {
			...(capitalised(inputs) as AppClient), // as above
			ClientId: id,
			ClientName: physicalName,
		});
	}
	return cognito;
}

function capitalised(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(capitalised);
	if (!(value instanceof Object)) return value;
	return Object.fromEntries(
		Object.entries(value).map(([key, inner]) => [
			key.charAt(0).toUpperCase() + key.slice(1),
			capitalised(inner),
		]),
	);
}

/** Calls the functions of the pool as Cognito does: it waits five seconds, and asks three times. */
function createTriggers(program: Program, endpoint: Endpoint): LambdaService {
	const [pool, ...others] = declared(program, "aws:cognito/userPool:UserPool");
	const functions: Record<string, unknown> = Object(capitalised(pool?.inputs.lambdaConfig));
	const never = Object.keys(functions).filter((trigger) => !TRIGGERS.test(trigger));
	const left = [...others.map(({ name }) => `the pool ${name}`), ...never];
	if (left.length > 0) {
		throw new pulumi.RunError(
			`The embedded stack has one user pool, with the triggers that cognito-local calls, and cannot run ${left.join(", ")}: take it out, or teach local/aws/cognito.ts to.`,
		);
	}

	async function invoke(trigger: string, payload: string): Promise<object> {
		const { callerContext, ...event } = JSON.parse(payload);
		const clientId = callerContext.clientId ?? "CLIENT_ID_NOT_APPLICABLE";
		const asAws = { region: program.region, callerContext: { ...callerContext, clientId } };
		const Payload = JSON.stringify({ ...event, version: "1", ...asAws });
		const call = {
			service: "lambda",
			operation: "Invoke",
			body: { FunctionName: functions[trigger], Payload },
			caller: "cognito-idp",
			sourceArn: pool?.arn,
		} as const;
		for (let attempt = 1; attempt <= TRIGGER_ATTEMPTS; attempt++) {
			const waiting = new AbortController();
			const answer = await Promise.race([
				endpoint.call(call),
				endpoint.pause(TRIGGER_LIMIT_MS, waiting.signal),
			]).finally(() => waiting.abort());
			if (answer) return answer;
		}
		throw new Error(`${trigger} did not answer in time.`);
	}

	// As if each function were named after its trigger: when one fails, AWS names the trigger.
	const names = Object.fromEntries(Object.keys(functions).map((trigger) => [trigger, trigger]));
	const client = {
		invoke: ({ FunctionName, Payload }: { FunctionName: string; Payload: string }) => ({
			promise: () => invoke(FunctionName, Payload),
		}),
	};
	// Of the AWS SDK's client, cognito-local uses nothing else.
	return new LambdaService(names, client as never);
}

/** AWS's checks that cognito-local leaves out. */
async function refuseAsAws(cognito: CognitoServiceImpl, operation: string, request: Request) {
	const { UserPoolId, Username, AuthFlow, AuthParameters, UserAttributes = [] } = request;
	if (/^Admin(?!CreateUser)/.test(operation) && UserPoolId && Username !== undefined) {
		const pool = await cognito.getUserPool(context, UserPoolId);
		const user = await pool.getUserByUsername(context, Username);
		if (!user) throw new UserNotFoundError("User does not exist.");
	}
	const client = await clientOf(cognito, request);
	if (!client) return;
	if (operation === "SignUp" || operation === "UpdateUserAttributes") {
		if (!UserAttributes.every(({ Name }) => permits(client.WriteAttributes, Name))) {
			throw new NotAuthorizedError("A client attempted to write unauthorized attribute");
		}
	}
	if (AuthFlow !== undefined && !client.ExplicitAuthFlows?.includes(`ALLOW_${AuthFlow}`)) {
		throw new InvalidParameterError(`${AuthFlow} flow not enabled for this client`);
	}
	if (AuthParameters?.PASSWORD !== undefined) {
		const pool = await cognito.getUserPool(context, client.UserPoolId);
		const user = await pool.getUserByUsername(context, AuthParameters.USERNAME ?? "");
		if (user?.Password !== AuthParameters.PASSWORD) {
			throw new NotAuthorizedError("Incorrect username or password.");
		}
	}
}

/** The app client that a request comes from, which it names itself or by its access token. */
async function clientOf(cognito: CognitoServiceImpl, { ClientId, AccessToken = "" }: Request) {
	if (ClientId !== undefined) return cognito.getAppClient(context, ClientId);
	const [, claims] = AccessToken.split(".");
	if (!claims) return null;
	const { client_id } = JSON.parse(Buffer.from(claims, "base64url").toString());
	return cognito.getAppClient(context, String(client_id));
}

/** An app client that has no list may read and write the standard attributes. */
function permits(attributes: readonly string[] | undefined, name: string): boolean {
	return attributes?.includes(name) ?? !name.startsWith("custom:");
}

/** The user as a client's tokens may show it; cognito-local would show every custom attribute. */
function readableUser(user: User, { ReadAttributes }: AppClient): User {
	const Attributes = user.Attributes.filter(
		({ Name, Value }) =>
			(Name === "sub" || permits(ReadAttributes, Name)) &&
			// It takes the text "false" for true.
			!(Name === "email_verified" && Value === "false"),
	);
	return { ...user, Attributes };
}

/** One page of the accounts; cognito-local answers them all at once. */
function pageOf({ Users = [] }: { Users?: object[] }, { Limit, PaginationToken }: Request) {
	const from = Number(PaginationToken ?? 0);
	const to = from + Math.min(Limit ?? LARGEST_PAGE, LARGEST_PAGE);
	const more = to < Users.length && { PaginationToken: String(to) };
	return { Users: Users.slice(from, to), ...more };
}

/** Keeps in memory what cognito-local would keep in a file; a key is a path of one or two names. */
class MemoryStore implements DataStore {
	constructor(private readonly root: Record<string, unknown>) {}

	async get<T>(_: Context, key: string | string[], fallback: T | null = null): Promise<T> {
		const found = [key].flat().reduce((part, name) => Object(part)[name], this.root);
		return (found ?? fallback) as T; // cognito-local reads only what it has written there
	}

	async getRoot<T>(): Promise<T> {
		return this.root as T; // as above
	}

	async set(_: Context, key: string | string[], value: unknown): Promise<void> {
		const [first = "", second] = [key].flat();
		if (second === undefined) this.root[first] = value;
		else this.root[first] = Object.assign(Object(this.root[first] ?? {}), { [second]: value });
	}

	async delete(_: Context, key: string | string[]): Promise<void> {
		const [first = "", second = ""] = [key].flat();
		delete Object(this.root[first])[second];
	}
}

/** cognito-local's user pool, where it differs from AWS's. */
class Pool extends UserPoolServiceImpl {
	/** AWS finds an account by its email in any case, when the pool says so. */
	override async getUserByUsername(context: Context, username: string): Promise<User | null> {
		const exact = await super.getUserByUsername(context, username);
		if (exact || this.options.UsernameConfiguration?.CaseSensitive !== false) return exact;
		const users = await this.listUsers(context);
		const email = ({ Attributes }: User) => attributeValue("email", Attributes)?.toLowerCase();
		return users.find((user) => email(user) === username.toLowerCase()) ?? null;
	}

	/** AWS takes the emailed code as proof of the email; an administrator's word proves nothing. */
	override async saveUser(context: Context, user: User): Promise<void> {
		const before = await super.getUserByUsername(context, user.Username);
		// ConfirmSignUp uses up the code, AdminConfirmSignUp leaves it.
		const byCode = before?.ConfirmationCode !== undefined && user.ConfirmationCode === undefined;
		const confirmed = before?.UserStatus === "UNCONFIRMED" && user.UserStatus === "CONFIRMED";
		if (byCode && confirmed && this.options.AutoVerifiedAttributes?.includes("email")) {
			// In place: the same object goes to PostConfirmation next.
			user.Attributes = attributesAppend(user.Attributes, attribute("email_verified", "true"));
		}
		await super.saveUser(context, user);
	}

	/** cognito-local would save the account as it was before PostAuthentication, which may change it. */
	override async storeRefreshToken(context: Context, token: string, user: User): Promise<void> {
		const now = await super.getUserByUsername(context, user.Username);
		if (now) await super.storeRefreshToken(context, token, now);
	}
}
