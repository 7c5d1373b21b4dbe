import { randomInt, randomUUID } from "node:crypto";
import { RunError } from "@pulumi/pulumi/errors";
import {
	CognitoError,
	InvalidParameterError,
	NotAuthorizedError,
	UnsupportedError,
	UserNotFoundError,
} from "cognito-local/lib/errors";
import { DefaultConfig } from "cognito-local/lib/server/config";
import { Router } from "cognito-local/lib/server/Router";
import {
	CognitoServiceImpl,
	DateClock,
	LambdaService,
	TriggersService,
} from "cognito-local/lib/services";
import type { AppClient } from "cognito-local/lib/services/appClient";
import { USER_POOL_AWS_DEFAULTS } from "cognito-local/lib/services/cognitoService";
import type { Context } from "cognito-local/lib/services/context";
import type { DataStore } from "cognito-local/lib/services/dataStore/dataStore";
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
import { ACCOUNT, declared, type Program } from "../program";
import { CognitoMails } from "./cognitoMails";
import { refuseWeakPassword } from "./cognitoPasswords";
import { asOneSignIn, claimsOf, openIdDocument, signInOf } from "./cognitoTokens";
import { beginSrp, type SrpExchange } from "./srp";

const TRIGGER_LIMIT_MS = 5000;
const TRIGGER_ATTEMPTS = 3;
const LARGEST_PAGE = 60;
/** Those that cognito-local calls. */
const TRIGGERS =
	/^(CustomMessage|Post(Authentication|Confirmation)|PreSignUp|PreTokenGeneration|UserMigration)$/;

/** Operations that change no account. */
const READ_ONLY = /^(Admin)?(Describe|Get|InitiateAuth|List)/;
/** Operations that make an account, and answer its sub. */
const MAKES_ACCOUNT = /^(AdminCreateUser|SignUp)$/;
/** The status of an account that an identity provider has brought. */
const EXTERNAL = "EXTERNAL_PROVIDER";

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
	ChallengeName?: string;
	ChallengeResponses?: {
		USERNAME?: string;
		PASSWORD_CLAIM_SECRET_BLOCK?: string;
		PASSWORD_CLAIM_SIGNATURE?: string;
		TIMESTAMP?: string;
	};
	AuthParameters?: {
		USERNAME?: string;
		PASSWORD?: string;
		REFRESH_TOKEN?: string;
		SRP_A?: string;
	};
	ClientMetadata?: Record<string, string>;
	RefreshToken?: string;
	Token?: string;
	Session?: string;
	UserAttributes?: { Name: string; Value?: string }[];
	DesiredDeliveryMediums?: string[];
	Limit?: number;
	PaginationToken?: string;
}

/**
 * Cognito with the declared pool and its app clients: cognito-local, in memory, and corrected where it
 * differs from AWS in what this project relies on.
 *
 * @param trail - takes CloudTrail's record of each call that changes an account, or would.
 * @returns the service; `mails`, what it has sent; and `federate`, which makes an account of an identity provider.
 * Rejects with `pulumi.RunError` for a second pool, or a trigger that cognito-local does not call.
 */
export async function startCognito(
	program: Program,
	endpoint: Endpoint,
	trail: (record: object) => void,
) {
	/** By their secret block. */
	const exchanges = new Map<string, SrpExchange>();
	/** The sign-ins that have been revoked, by the id that the tokens of each share. */
	const revoked = new Set<string>();
	const sessions = new Map<string, "open" | "used">();
	const clock = new DateClock();
	const cognito = await createPools(program, clock);
	const lambda = createTriggers(program, endpoint);
	// The last argument is for a trigger that encrypts what it sends: of AWS's SDK, and not needed here.
	const triggers = new TriggersService(clock, cognito, lambda, undefined as never);
	const tokens = new JwtTokenGenerator(clock, triggers, { IssuerDomain: endpoint.url });
	const mails = new CognitoMails(triggers);
	const otp = () => String(randomInt(1_000_000)).padStart(6, "0");
	const router = Router({
		clock,
		cognito,
		config: DefaultConfig,
		messages: mails,
		otp,
		tokenGenerator: {
			generate: (context, user, groups, client, ...rest) =>
				tokens.generate(context, readableUser(user, client), groups, client, ...rest),
		},
		triggers,
	});

	/** A challenge is answered in the session that came with it, and once; cognito-local takes any text for a session. */
	function refuseSession(session: string): void {
		const state = sessions.get(session);
		if (state === "open") return;
		const why = state === "used" ? ", session can only be used once" : "";
		throw new NotAuthorizedError(`Invalid session for the user${why}.`);
	}

	/** Cognito's own operations take no token of a sign-in that was revoked; whoever else checks a token cannot know. */
	function refuseRevoked({ AccessToken, AuthParameters, RefreshToken }: Request): void {
		const used = { Access: AccessToken, Refresh: RefreshToken ?? AuthParameters?.REFRESH_TOKEN };
		for (const [which, token] of Object.entries(used)) {
			if (!revoked.has(signInOf(token) ?? "none")) continue;
			throw new NotAuthorizedError(`${which} Token has been revoked`);
		}
	}

	function revoke(refreshToken: string): void {
		const id = signInOf(refreshToken);
		if (id === undefined || claimsOf(refreshToken).token_use !== undefined) {
			throw new CognitoError("UnsupportedTokenTypeException", "It is no refresh token.");
		}
		revoked.add(id);
	}

	/** Answers the challenge that a sign-in by SRP begins with, of an account that does not exist too, as AWS does. */
	async function challengeBySrp({ ClientId = "", AuthParameters }: Request) {
		const { USERNAME = "", SRP_A = "" } = AuthParameters ?? {};
		const pool = await cognito.getUserPoolForClientId(context, ClientId);
		const user = await pool.getUserByUsername(context, USERNAME);
		const username = user?.Username ?? USERNAME;
		const poolName = pool.options.Id.split("_")[1] ?? "";
		const exchange = beginSrp(poolName, username, user?.Password ?? randomUUID(), SRP_A);
		if (!exchange) throw new InvalidParameterError("SRP_A is not one that the protocol allows.");
		exchanges.set(exchange.challenge.SECRET_BLOCK, exchange);
		return {
			ChallengeName: "PASSWORD_VERIFIER",
			ChallengeParameters: { ...exchange.challenge, USERNAME: username, USER_ID_FOR_SRP: username },
		};
	}

	/** Goes on with the password, once a person has proved by SRP to know it. */
	async function passwordBySrp(request: Request): Promise<Request> {
		const { ClientId = "", ChallengeResponses = {} } = request;
		const { TIMESTAMP = "" } = ChallengeResponses;
		const { PASSWORD_CLAIM_SECRET_BLOCK: block = "", PASSWORD_CLAIM_SIGNATURE } =
			ChallengeResponses;
		const exchange = exchanges.get(block);
		exchanges.delete(block);
		const pool = await cognito.getUserPoolForClientId(context, ClientId);
		// Of whom the challenge was, whatever name the answer holds.
		const user = exchange && (await pool.getUserByUsername(context, exchange.username));
		if (!user || exchange.proofAt(TIMESTAMP) !== PASSWORD_CLAIM_SIGNATURE) {
			throw new NotAuthorizedError("Incorrect username or password.");
		}
		const AuthParameters = { USERNAME: user.Username, PASSWORD: user.Password };
		return { ClientId, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters };
	}

	/** Revokes every sign-in of an account. */
	async function signOutEverywhere(request: Request): Promise<object> {
		const poolId = request.UserPoolId ?? (await clientOf(cognito, request))?.UserPoolId ?? "";
		const pool = await cognito.getUserPool(context, poolId);
		const username = request.Username ?? claimsOf(request.AccessToken).sub ?? "";
		const user = await pool.getUserByUsername(context, username);
		if (!user) throw new UserNotFoundError("User does not exist.");
		for (const token of user.RefreshTokens) revoke(token);
		return {};
	}

	async function resendCode({ ClientId = "", Username = "", ClientMetadata }: Request) {
		const pool = await cognito.getUserPoolForClientId(context, ClientId);
		const user = await pool.getUserByUsername(context, Username);
		if (!user) throw new UserNotFoundError("User does not exist.");
		if (user.UserStatus !== "UNCONFIRMED") {
			throw new InvalidParameterError("User is already confirmed.");
		}
		const Destination = attributeValue("email", user.Attributes) ?? "";
		const to = { AttributeName: "email", DeliveryMedium: "EMAIL", Destination } as const;
		const poolId = pool.options.Id;
		const code = otp();
		await mails.deliver(context, "ResendCode", ClientId, poolId, user, code, ClientMetadata, to);
		await pool.saveUser(context, { ...user, ConfirmationCode: code });
		return { CodeDeliveryDetails: to };
	}

	/** Does what cognito-local does not, or otherwise, and lets it do the rest. */
	async function perform(operation: string, request: Request) {
		const { ClientId = "", RefreshToken, Token = "", ...rest } = request;
		const local = () => router(operation)(context, request);
		switch (operation) {
			case "AdminUserGlobalSignOut":
			case "GlobalSignOut":
				return signOutEverywhere(request);
			case "GetTokensFromRefreshToken": {
				const AuthParameters = { REFRESH_TOKEN: RefreshToken };
				const refresh = { ClientId, AuthFlow: "REFRESH_TOKEN_AUTH", AuthParameters };
				return router("InitiateAuth")(context, refresh);
			}
			case "InitiateAuth":
				return rest.AuthFlow === "USER_SRP_AUTH" ? challengeBySrp(request) : local();
			case "ResendConfirmationCode":
				return resendCode(request);
			case "RespondToAuthChallenge": {
				if (rest.ChallengeName === "PASSWORD_VERIFIER") {
					return router("InitiateAuth")(context, await passwordBySrp(request));
				}
				const answered = await local();
				const { RefreshToken: token } = Object(answered.AuthenticationResult);
				const pool = await cognito.getUserPoolForClientId(context, ClientId);
				const username = rest.ChallengeResponses?.USERNAME ?? "";
				const user = await pool.getUserByUsername(context, username);
				// cognito-local forgets to.
				if (user && token) await pool.storeRefreshToken(context, token, user);
				return answered;
			}
			case "RevokeToken":
				revoke(Token);
				return {};
			default:
				return local();
		}
	}

	async function answer(operation: string, request: Request): Promise<object> {
		try {
			await refuseAsAws(cognito, operation, request);
			refuseRevoked(request);
			const { Session } = request;
			if (Session !== undefined && operation === "RespondToAuthChallenge") refuseSession(Session);
			const completed = await completedAsAws(cognito, operation, request);
			const answered = await perform(operation, completed);
			if (Session !== undefined) sessions.set(Session, "used");
			if (answered.Session !== undefined) sessions.set(answered.Session, "open");
			if (answered.AuthenticationResult) {
				const { RefreshToken: used = request.AuthParameters?.REFRESH_TOKEN } = request;
				return {
					...answered,
					AuthenticationResult: asOneSignIn(answered.AuthenticationResult, used),
				};
			}
			if (operation === "DescribeUserPool") return withEstimate(cognito, answered);
			return operation === "ListUsers" ? pageOf(answered, request) : answered;
		} catch (error) {
			if (error instanceof UnsupportedError) {
				throw new ServiceError("UnsupportedOperation", `cognito-local: ${error.message}.`);
			}
			if (!(error instanceof CognitoError)) throw error;
			// cognito-local writes one of the suffixes twice.
			const code = error.code.replace("ExceptionException", "Exception");
			throw new ServiceError(code, error.message);
		}
	}

	return {
		mails,

		async federate(username: string, email: string): Promise<string> {
			const [declaredPool] = declared(program, "aws:cognito/userPool:UserPool");
			const pool = await cognito.getUserPool(context, String(declaredPool?.id));
			const sub = randomUUID();
			await pool.saveUser(context, {
				Attributes: [attribute("sub", sub), attribute("email", email)],
				Enabled: true,
				Password: randomUUID(), // it has none, and cognito-local wants one
				RefreshTokens: [],
				UserCreateDate: clock.get(),
				UserLastModifiedDate: clock.get(),
				UserStatus: EXTERNAL,
				Username: username,
			});
			return sub;
		},

		async service({ operation, body, caller }: Call): Promise<object> {
			if (operation === "GetOpenIdDocument") {
				const { pool, document }: { pool?: string; document?: string } = body;
				const pools = declared(program, "aws:cognito/userPool:UserPool");
				if (!pools.some(({ id }) => id === pool)) {
					const message = `User pool ${pool} does not exist.`;
					throw new ServiceError("ResourceNotFoundException", message, 404);
				}
				return openIdDocument(String(document), `${endpoint.url}/${pool}`);
			}
			if (READ_ONLY.test(operation)) return answer(operation, body);
			// Before the call: afterwards the account may be gone.
			const known = MAKES_ACCOUNT.test(operation) ? undefined : await subOf(cognito, body);
			const record = (sub: string | undefined, errorCode?: string) =>
				trail({ ...trailRecord(program.region, operation, body, caller, sub), errorCode });
			try {
				refuseWeakPassword(program, body);
				const answered = await answer(operation, body);
				const { UserSub, User } = Object(answered);
				record(known ?? UserSub ?? attributeValue("sub", User?.Attributes));
				return answered;
			} catch (error) {
				if (error instanceof ServiceError) record(known, error.code);
				throw error;
			}
		},
	};
}

/** CloudTrail's record of a call: https://docs.aws.amazon.com/cognito/latest/developerguide/understanding-amazon-cognito-entries.html */
function trailRecord(
	awsRegion: string,
	eventName: string,
	{ UserPoolId, Username, ClientId, ChallengeName }: Request,
	caller: string | undefined,
	sub: string | undefined,
): object {
	return {
		eventVersion: "1.08",
		userIdentity:
			caller === undefined
				? { type: "Unknown", principalId: "Anonymous" }
				: { type: "IAMUser", accountId: ACCOUNT, userName: caller },
		eventTime: new Date().toISOString().replace(/\.\d+/, ""),
		eventSource: "cognito-idp.amazonaws.com",
		eventName,
		awsRegion,
		sourceIPAddress: "127.0.0.1",
		requestParameters: {
			...(UserPoolId !== undefined && { userPoolId: UserPoolId }),
			...(Username !== undefined && { username: "HIDDEN_DUE_TO_SECURITY_REASONS" }),
			...(ClientId !== undefined && { clientId: ClientId }),
			...(ChallengeName !== undefined && { challengeName: ChallengeName }),
		},
		responseElements: null,
		...(sub !== undefined && { additionalEventData: { sub } }),
		requestID: randomUUID(),
		eventID: randomUUID(),
		readOnly: false,
		eventType: "AwsApiCall",
		managementEvent: true,
		recipientAccountId: ACCOUNT,
		eventCategory: "Management",
	};
}

/** The sub of the account that a request is about, if there is one. */
async function subOf(cognito: CognitoServiceImpl, request: Request): Promise<string | undefined> {
	const { UserPoolId, AccessToken, ChallengeResponses } = request;
	const { Username = ChallengeResponses?.USERNAME } = request;
	if (AccessToken !== undefined) return claimsOf(AccessToken).sub;
	const poolId = UserPoolId ?? (await clientOf(cognito, request))?.UserPoolId;
	if (poolId === undefined || Username === undefined) return undefined;
	const pool = await cognito.getUserPool(context, poolId).catch(() => undefined);
	const user = await pool?.getUserByUsername(context, Username);
	return attributeValue("sub", user?.Attributes);
}

/**
 * AWS lets an administrator say whether an email is verified without repeating it, where cognito-local wants both; and it mails the
 * temporary password of a new account where no other medium is asked for, where cognito-local would send it to a phone.
 */
async function completedAsAws(
	cognito: CognitoServiceImpl,
	operation: string,
	request: Request,
): Promise<Request> {
	const { UserPoolId, Username, UserAttributes = [] } = request;
	if (operation === "AdminCreateUser") return { DesiredDeliveryMediums: ["EMAIL"], ...request };
	const names = UserAttributes.map(({ Name }) => Name);
	const needsEmail = names.includes("email_verified") && !names.includes("email");
	if (operation !== "AdminUpdateUserAttributes" || !UserPoolId || !Username || !needsEmail) {
		return request;
	}
	const pool = await cognito.getUserPool(context, UserPoolId);
	const user = await pool.getUserByUsername(context, Username);
	const email = attribute("email", attributeValue("email", user?.Attributes));
	return { ...request, UserAttributes: [email, ...UserAttributes] };
}

/** AWS tells about how many accounts a pool has. */
async function withEstimate(cognito: CognitoServiceImpl, { UserPool }: { UserPool: UserPool }) {
	const pool = await cognito.getUserPool(context, UserPool.Id);
	const EstimatedNumberOfUsers = (await pool.listUsers(context)).length;
	return { UserPool: { ...UserPool, EstimatedNumberOfUsers } };
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
		throw new RunError(
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
	if (operation === "VerifyUserAttribute") {
		const pool = await cognito.getUserPool(context, client.UserPoolId);
		const user = await pool.getUserByUsername(context, claimsOf(request.AccessToken).sub ?? "");
		const email = attributeValue("email", user?.UnverifiedAttributeChanges);
		const holder = email === undefined ? null : await pool.getUserByUsername(context, email);
		if (holder && holder.Username !== user?.Username) {
			throw new CognitoError("AliasExistsException", "An account with the email already exists.");
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
async function clientOf(cognito: CognitoServiceImpl, { ClientId, AccessToken }: Request) {
	const { client_id = ClientId } = claimsOf(AccessToken);
	return client_id === undefined ? null : cognito.getAppClient(context, client_id);
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
	/**
	 * AWS finds an account by its email in any case, when the pool says so. An account of an identity provider it finds by its own
	 * username alone: neither its sub nor its email is another.
	 */
	override async getUserByUsername(context: Context, username: string): Promise<User | null> {
		const exact = await super.getUserByUsername(context, username);
		if (exact && (exact.Username === username || exact.UserStatus !== EXTERNAL)) return exact;
		const anyCase = this.options.UsernameConfiguration?.CaseSensitive === false;
		if (!exact && !anyCase) return null;
		const normal = (text = "") => (anyCase ? text.toLowerCase() : text);
		const users = await this.listUsers(context);
		const named = users.find(
			({ Attributes, UserStatus }) =>
				UserStatus !== EXTERNAL && normal(attributeValue("email", Attributes)) === normal(username),
		);
		return named ?? null;
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
