export type * from "./errors";
export { type EventType, eventSource, eventTypes, parseEvent, type UserEvent } from "./events";
export { type RecordedUser, type RecordUserError, recordUser, type UserPool } from "./recordUser";
export {
	type Account,
	type ApplicationFields,
	type Identity,
	parseAccount,
	parseIdentity,
	type User,
} from "./user";
export { createUsers, type Users, type UserUpdate } from "./users";
