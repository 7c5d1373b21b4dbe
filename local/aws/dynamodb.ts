import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type {
	CreateTableCommandInput,
	KeyType,
	ProjectionType,
	ScalarAttributeType,
} from "@aws-sdk/client-dynamodb";
import { create, type Item, type Store } from "dynalite/db";
import { checkTypes, checkValidations } from "dynalite/validations";
import { type Call, type Service, ServiceError } from "../endpoint";
import { type Declared, declared, type Program, streamArn } from "../program";

/** Each stream has this one shard. */
const SHARD = "shardId-00000000000000000000-00000000";

const OPERATIONS =
	/^(BatchGet|BatchWrite|Delete|Get|Put|Update)Item$|^(Create|Delete|Describe)Table$|^(ListTables|Query|Scan)$/;

type Action = (store: object, body: object, done: (error: unknown, answer: object) => void) => void;

/** The fields of DynamoDB's requests that are read here. */
interface Request {
	TableName?: string;
	Item?: object;
	Key?: object;
	ReturnValuesOnConditionCheckFailure?: string;
	StreamArn?: string;
	ShardIterator?: string;
	Limit?: number;
}

type TableKeys = Pick<
	Declared<"aws:dynamodb/table:Table">["inputs"],
	"hashKey" | "rangeKey" | "attributes" | "globalSecondaryIndexes"
>;

/** A change of an item, as GetRecords answers it and Lambda's functions get it. */
export interface StreamRecord {
	eventID: string;
	eventName: "INSERT" | "MODIFY" | "REMOVE";
	eventVersion: "1.1";
	eventSource: "aws:dynamodb";
	awsRegion: string;
	dynamodb: {
		ApproximateCreationDateTime: Date;
		Keys: Item;
		NewImage?: Item;
		OldImage?: Item;
		SequenceNumber: string;
		SizeBytes: number;
		StreamViewType: string;
	};
}

/**
 * DynamoDB with the declared tables, and the streams of those that declare one.
 *
 * @returns the services; and `onArrival`, which tells of each stream that has got a record, by its ARN.
 * Rejects if dynalite refuses a table.
 */
export async function startDynamodb(program: Program) {
	const store = createStore();
	const service = createDynamodb(store);
	const streams = new Map<string, StreamRecord[]>();
	const listeners: ((streamArn: string) => void)[] = [];
	for (const { physicalName, arn, inputs } of declared(program, "aws:dynamodb/table:Table")) {
		const body = createTableRequest(physicalName, inputs);
		await service({ service: "dynamodb", operation: "CreateTable", body, caller: undefined });
		if (!inputs.streamEnabled) continue;
		const records: StreamRecord[] = [];
		streams.set(streamArn(arn), records);
		onChange(store, physicalName, (before, after) => {
			if (isDeepStrictEqual(before, after)) return;
			records.push(toRecord(program.region, inputs, records.length, before, after));
			for (const listener of listeners) listener(streamArn(arn));
		});
	}

	return {
		service,
		onArrival: (listener: (streamArn: string) => void): void => void listeners.push(listener),

		/** DynamoDB Streams, as far as Lambda's event source mappings read them; a shard is read from its beginning. */
		async streams({ operation, body }: Call): Promise<object> {
			const { TableName, StreamArn = "", ShardIterator = "", Limit = 1000 }: Request = body;
			switch (operation) {
				case "ListStreams": {
					const arns = [...streams.keys()].filter((arn) => arn.includes(`:table/${TableName}/`));
					return { Streams: arns.map((arn) => ({ StreamArn: arn, TableName })) };
				}
				case "DescribeStream":
					return { StreamDescription: { StreamArn, Shards: [{ ShardId: SHARD }] } };
				case "GetShardIterator":
					return { ShardIterator: `${StreamArn}|0` };
				case "GetRecords": {
					const [arn = "", position] = ShardIterator.split("|");
					const from = Number(position);
					const Records = streams.get(arn)?.slice(from, from + Limit) ?? [];
					return { Records, NextShardIterator: `${arn}|${from + Records.length}` };
				}
				default:
					throw new ServiceError("UnknownOperationException", `There is no ${operation} here.`);
			}
		},
	};
}

/** Tells of each change of a table's items, in dynalite's own lock of the item, so that no other comes between. */
function onChange(
	store: Store,
	tableName: string,
	tell: (before: Item | undefined, after: Item | undefined) => void,
): void {
	const items = store.getItemDb(tableName);
	const { get, put, del } = items;

	function telling(
		key: string,
		after: Item | undefined,
		done: (error: unknown) => void,
		write: (done: (error: unknown) => void) => void,
	): void {
		get(key, (_, before) =>
			write((error) => {
				if (!error) tell(before, structuredClone(after));
				done(error);
			}),
		);
	}
	items.put = (key, item, done) => telling(key, item, done, (written) => put(key, item, written));
	items.del = (key, done) => telling(key, undefined, done, (written) => del(key, written));
}

const createStore = () => create({ createTableMs: 0, deleteTableMs: 0 });

/** DynamoDB without a table: dynalite, in memory. */
export function createDynamodb(store = createStore()): Service {
	/** Does what dynalite's HTTP server does with a request once it has read it. */
	async function perform({ operation, body }: Pick<Call, "operation" | "body">): Promise<object> {
		if (!OPERATIONS.test(operation)) {
			throw new ServiceError("UnknownOperationException", `dynalite has no ${operation}.`);
		}
		const file = operation.charAt(0).toLowerCase() + operation.slice(1);
		const { types, custom } = require(`dynalite/validations/${file}`);
		const action: Action = require(`dynalite/actions/${file}`);
		try {
			const checked = checkTypes({ ...body }, types); // it takes away what dynalite does not know
			checkValidations(checked, types, custom, store);
			return await new Promise<object>((resolve, reject) => {
				action(store, checked, (error, answer) => (error ? reject(error) : resolve(answer)));
			});
		} catch (error) {
			const { statusCode, body: answer } = Object(error);
			if (!statusCode) throw error;
			const fields = /ConditionalCheckFailed/.test(answer.__type) ? await itemInTheWay(body) : {};
			throw new ServiceError(answer.__type, answer.message ?? answer.Message, statusCode, fields);
		}
	}

	/** The item on which a condition has failed, for whoever asks for it, which dynalite leaves out. */
	async function itemInTheWay(request: Request): Promise<object> {
		const { TableName, Item, Key = Item, ReturnValuesOnConditionCheckFailure } = request;
		if (ReturnValuesOnConditionCheckFailure !== "ALL_OLD") return {};
		const { Table } = Object(await perform({ operation: "DescribeTable", body: { TableName } }));
		const names: string[] = Table.KeySchema.map(({ AttributeName = "" }) => AttributeName);
		const key = Object.fromEntries(names.map((name) => [name, Object(Key)[name]]));
		const body = { TableName, Key: key, ConsistentRead: true };
		return perform({ operation: "GetItem", body });
	}

	return perform;
}

function toRecord(
	awsRegion: string,
	{ hashKey, rangeKey, streamViewType = "" }: Declared<"aws:dynamodb/table:Table">["inputs"],
	count: number,
	before: Item | undefined,
	after: Item | undefined,
): StreamRecord {
	const names = [hashKey, rangeKey];
	const item = Object.entries(after ?? before ?? {});
	const images = {
		Keys: Object.fromEntries(item.filter(([name]) => names.includes(name))),
		...(after && /NEW/.test(streamViewType) && { NewImage: after }),
		...(before && /OLD/.test(streamViewType) && { OldImage: before }),
	};
	return {
		eventID: randomUUID().replaceAll("-", ""),
		eventName: !before ? "INSERT" : after ? "MODIFY" : "REMOVE",
		eventVersion: "1.1",
		eventSource: "aws:dynamodb",
		awsRegion,
		dynamodb: {
			ApproximateCreationDateTime: new Date(),
			...images,
			SequenceNumber: String(10n ** 20n + BigInt(count)), // of 21 digits, as AWS's
			SizeBytes: JSON.stringify(images).length,
			StreamViewType: streamViewType,
		},
	};
}

/** The CreateTable request for a table with the keys and indexes that Pulumi's table declares. */
export function createTableRequest(
	TableName: string,
	{ hashKey, rangeKey, attributes, globalSecondaryIndexes }: TableKeys,
): CreateTableCommandInput {
	const range = rangeKey === undefined ? [] : [{ attributeName: rangeKey, keyType: "RANGE" }];
	return {
		TableName,
		BillingMode: "PAY_PER_REQUEST",
		AttributeDefinitions: attributes?.map(({ name, type }) => ({
			AttributeName: name,
			AttributeType: type as ScalarAttributeType, // Pulumi's are AWS's letters
		})),
		KeySchema: keySchema([{ attributeName: String(hashKey), keyType: "HASH" }, ...range]),
		GlobalSecondaryIndexes: globalSecondaryIndexes?.map((index) => ({
			IndexName: index.name,
			KeySchema: keySchema(index.keySchemas),
			Projection: {
				ProjectionType: index.projectionType as ProjectionType, // as above
				NonKeyAttributes: index.nonKeyAttributes,
			},
		})),
	};
}

function keySchema(keys: readonly { attributeName: string; keyType: string }[] = []) {
	return keys.map(({ attributeName, keyType }) => ({
		AttributeName: attributeName,
		KeyType: keyType as KeyType, // Pulumi's are AWS's words
	}));
}
