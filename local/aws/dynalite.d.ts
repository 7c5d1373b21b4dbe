// dynalite is JavaScript without types; these are the modules that its own HTTP server is made of.
declare module "dynalite/db" {
	export function create(options: { createTableMs: number; deleteTableMs: number }): object;
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
