export type * from "./errors";
export {
	type PoolAccount,
	type RecordedUser,
	type RecordUser,
	type RecordUserError,
	recordUser,
	type UserPool,
} from "./sync/record";
export { conditionFailed, openTable, requestsOf, type SingleTable } from "./table";
export {
	type ChangedAttribute,
	type ChangeType,
	changeTypes,
	parseChange,
	type UserChange,
} from "./user/changes";
export { type ApplicationFields, type User, userEntity } from "./user/entity";
export {
	type EventType,
	eventSource,
	eventTypes,
	parseEvent,
	type UserEvent,
} from "./user/events";
export { type Account, type Identity, parseAccount, parseIdentity } from "./user/identity";
export { subKey, userPartition } from "./user/keys";
export { erasePartition, readPartition, type StoredItem } from "./user/partition";
export { createUsers, type Users, type UserUpdate } from "./user/users";
