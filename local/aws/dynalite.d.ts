// dynalite is JavaScript without types; these are the modules that its own HTTP server is made of.
declare module "dynalite/db" {
	type Item = Record<string, object>;
	/** The items of a table; each call ends with its `done`. */
	interface Items {
		get(key: string, done: (error: unknown, item?: Item) => void): void;
		put(key: string, item: Item, done: (error: unknown) => void): void;
		del(key: string, done: (error: unknown) => void): void;
	}
	interface Store {
		getItemDb(tableName: string): Items;
	}
	export function create(options: { createTableMs: number; deleteTableMs: number }): Store;
}
declare module "dynalite/validations" {
	export function checkTypes(body: object, types: object): object;
	export function checkValidations(
		body: object,
		types: object,
		custom: unknown,
		store: object,
	): void;
}
