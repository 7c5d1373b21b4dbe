import type {
	CreateTableCommandInput,
	KeyType,
	ProjectionType,
	ScalarAttributeType,
} from "@aws-sdk/client-dynamodb";
import { create } from "dynalite/db";
import { checkTypes, checkValidations } from "dynalite/validations";
import { type Call, type Service, ServiceError } from "../endpoint";
import { type Declared, declared, type Program } from "../program";

const OPERATIONS =
	/^(BatchGet|BatchWrite|Delete|Get|Put|Update)Item$|^(Create|Delete|Describe)Table$|^(ListTables|Query|Scan)$/;

type Action = (store: object, body: object, done: (error: unknown, answer: object) => void) => void;

/** The fields of DynamoDB's requests that are read here. */
interface Request {
	TableName?: string;
	Item?: object;
	Key?: object;
	ReturnValuesOnConditionCheckFailure?: string;
}

type TableKeys = Pick<
	Declared<"aws:dynamodb/table:Table">["inputs"],
	"hashKey" | "rangeKey" | "attributes" | "globalSecondaryIndexes"
>;

/** DynamoDB with the declared tables. Rejects if dynalite refuses a table. */
export async function startDynamodb(program: Program): Promise<Service> {
	const service = createDynamodb();
	for (const { physicalName, inputs } of declared(program, "aws:dynamodb/table:Table")) {
		await service({
			service: "dynamodb",
			operation: "CreateTable",
			body: createTableRequest(physicalName, inputs),
			caller: undefined,
		});
	}
	return service;
}

/** DynamoDB without a table: dynalite, in memory. */
export function createDynamodb(): Service {
	const store = create({ createTableMs: 0, deleteTableMs: 0 });

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
