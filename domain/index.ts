export type * from "./errors";
export { type RecordedUser, type RecordUserError, recordUser, type UserPool } from "./sync/record";
export { type EventType, eventSource, eventTypes, parseEvent, type UserEvent } from "./user/events";
export {
	type Account,
	type ApplicationFields,
	type Identity,
	parseAccount,
	parseIdentity,
	type User,
} from "./user/identity";
export { createUsers, type Users, type UserUpdate } from "./user/users";
