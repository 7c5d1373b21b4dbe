import { MessagesService } from "cognito-local/lib/services";
import { MessageDeliveryService } from "cognito-local/lib/services/messageDelivery/messageDelivery";
import type { Triggers } from "cognito-local/lib/services/triggers";

const MAILS_KEPT = 1000;

type Message = Parameters<MessagesService["deliver"]>;

/** A mail, or a text message, that Cognito would have sent. */
export interface Mail {
	readonly to: string;
	/** What it is for, as the trigger that may word it calls it: `CustomMessage_SignUp`, for one. */
	readonly kind: Message[1];
	/** The code, or the temporary password of an account that an administrator has made. */
	readonly code: string;
	readonly at: Date;
}

const nowhere = async () => {};

/** What cognito-local sends goes nowhere, and can be read here. */
export class CognitoMails extends MessagesService {
	readonly #mails: Mail[] = [];
	readonly #codes = new Map<string, string>();
	readonly #listeners = new Set<(mail: Mail) => void>();

	constructor(triggers: Triggers) {
		super(triggers, new MessageDeliveryService({ sendEmail: nowhere, sendSms: nowhere }));
	}

	override async deliver(...message: Message): Promise<void> {
		await super.deliver(...message); // which asks the CustomMessage trigger, and fails as it does
		const [, kind, , , , code, , { Destination: to }] = message;
		const mail = { to, kind, code, at: new Date() };
		this.#codes.set(to.toLowerCase(), code);
		this.#mails.push(mail);
		this.#mails.splice(0, this.#mails.length - MAILS_KEPT);
		for (const listener of this.#listeners) listener(mail);
	}

	/** The last ones, newest last. */
	last(): readonly Mail[] {
		return this.#mails;
	}

	/** Tells of each as it is sent; the function returned ends that. */
	onMail(listener: (mail: Mail) => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** The last code or temporary password sent to an email address. */
	codeFor(email: string): string | undefined {
		return this.#codes.get(email.toLowerCase());
	}
}
