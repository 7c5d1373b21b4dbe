export type * from "./errors";
export { type RecordedUser, type RecordUserError, recordUser, type UserPool } from "./sync/record";
export { conditionFailed, openTable, requestsOf, type SingleTable } from "./table";
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
export { createUsers, type Users, type UserUpdate } from "./user/users";
