import { createHash, createHmac, getDiffieHellman, hkdfSync, randomBytes } from "node:crypto";

// The 3072-bit group of RFC 3526, which Cognito's clients have built in.
const N = toNumber(getDiffieHellman("modp15").getPrime());
const g = 2n;
const k = toNumber(hash(toBytes(N), toBytes(g)));

/** One sign-in by SRP, from Cognito's challenge to the person's proof. */
export interface SrpExchange {
	readonly username: string;
	/** What the client needs to compute its proof, as Cognito names it. */
	readonly challenge: { SALT: string; SECRET_BLOCK: string; SRP_B: string };
	/** The proof of whoever knows the password, made at a time in the client's own wording: `PASSWORD_CLAIM_SIGNATURE`. */
	proofAt(timestamp: string): string;
}

/**
 * Cognito's side of the Secure Remote Password protocol: [RFC 5054](https://www.rfc-editor.org/rfc/rfc5054) with SHA-256, a key by HKDF,
 * and a proof of Cognito's own, as its clients compute them.
 *
 * @param poolName - the id of the user pool without its region.
 * @param username - the account's own, whatever the person has signed in with.
 * @param clientValue - `SRP_A`, in hexadecimal. Undefined is returned if it is none that the protocol allows.
 */
export function beginSrp(
	poolName: string,
	username: string,
	password: string,
	clientValue: string,
): SrpExchange | undefined {
	const A = /^[\da-f]+$/i.test(clientValue) ? BigInt(`0x${clientValue}`) % N : 0n;
	if (A === 0n) return undefined;
	const salt = randomNumber(16);
	const x = toNumber(hash(toBytes(salt), hash(`${poolName}${username}:${password}`)));
	const verifier = power(g, x);
	const b = randomNumber(32);
	const B = (k * verifier + power(g, b)) % N;
	const u = toNumber(hash(toBytes(BigInt(`0x${clientValue}`)), toBytes(B)));
	const secret = power(A * power(verifier, u), b);
	const key = hkdfSync("sha256", toBytes(secret), toBytes(u), "Caldera Derived Key", 16);
	const block = randomBytes(64);

	return {
		username,
		challenge: {
			SALT: salt.toString(16),
			SECRET_BLOCK: block.toString("base64"),
			SRP_B: B.toString(16),
		},
		proofAt: (timestamp) =>
			createHmac("sha256", Buffer.from(key))
				.update(poolName + username)
				.update(block)
				.update(timestamp)
				.digest("base64"),
	};
}

/** `base` to the power of `exponent`, modulo N. */
function power(base: bigint, exponent: bigint): bigint {
	let result = 1n;
	let square = base % N;
	for (let rest = exponent; rest > 0n; rest >>= 1n) {
		if (rest & 1n) result = (result * square) % N;
		square = (square * square) % N;
	}
	return result;
}

function hash(...parts: (string | Buffer)[]): Buffer {
	const all = createHash("sha256");
	for (const part of parts) all.update(part);
	return all.digest();
}

function toNumber(bytes: Buffer): bigint {
	return BigInt(`0x${bytes.toString("hex")}`);
}

const randomNumber = (size: number) => toNumber(randomBytes(size));

/** As Java's BigInteger has it, with which Cognito's clients agree: no first bit is set, lest the number be negative. */
function toBytes(number: bigint): Buffer {
	const hex = number.toString(16);
	const even = hex.length % 2 === 0 ? hex : `0${hex}`;
	return Buffer.from(/^[89a-f]/.test(even) ? `00${even}` : even, "hex");
}
