import { create } from "dynalite/db";
import { checkTypes, checkValidations } from "dynalite/validations";
import { type Call, type Service, ServiceError } from "../endpoint";
import { declared, type Program } from "../program";

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

/** DynamoDB with the declared tables: dynalite, in memory. Rejects if dynalite refuses a table. */
export async function startDynamodb(program: Program): Promise<Service> {
	const store = create({ createTableMs: 0 });

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

	for (const { physicalName, inputs } of declared(program, "aws:dynamodb/table:Table")) {
		const body = {
			TableName: physicalName,
			BillingMode: "PAY_PER_REQUEST",
			AttributeDefinitions: inputs.attributes?.map(({ name, type }) => ({
				AttributeName: name,
				AttributeType: type,
			})),
			KeySchema: keySchema(inputs.hashKey, inputs.rangeKey),
			GlobalSecondaryIndexes: inputs.globalSecondaryIndexes?.map((index) => ({
				IndexName: index.name,
				KeySchema: keySchema(index.hashKey, index.rangeKey),
				Projection: {
					ProjectionType: index.projectionType,
					NonKeyAttributes: index.nonKeyAttributes,
				},
			})),
		};
		await perform({ operation: "CreateTable", body });
	}
	return perform;
}

function keySchema(hashKey: string | undefined, rangeKey: string | undefined) {
	const keys = [
		{ AttributeName: hashKey, KeyType: "HASH" },
		{ AttributeName: rangeKey, KeyType: "RANGE" },
	];
	return keys.filter(({ AttributeName }) => AttributeName !== undefined);
}
