import { TenantMismatchError } from '../../errors.ts';
import { failureExample, successExample } from '../envelope.ts';
import { rejectionOf } from '../issues.ts';
import type { Documented } from '../operations/index.ts';

/** A request and its answer: an example of the document, by this name among the operation's. */
export interface Exchange {
  name: string;
  summary: string;
  operation: Documented;
  /** The key is in the query, and not in the path. */
  byQuery?: true;
  /** Those of the path and the query, decoded. */
  parameters?: Readonly<Record<string, string>>;
  body?: unknown;
  answer: Answer;
}

interface Answer {
  status: number;
  /** Undefined: it has none. */
  body?: unknown;
}

export const ok = (data: unknown): Answer => ({ status: 200, body: successExample(data) });

export const created = (data: unknown): Answer => ({ status: 201, body: successExample(data) });

export const gone: Answer = { status: 204 };

/** The 400 for an invalid input, see {@link rejectionOf}. */
export const refused = (...input: Parameters<typeof rejectionOf>): Answer => ({
  status: 400,
  body: failureExample(rejectionOf(...input)),
});

export const forbidden: Answer = { status: 403, body: failureExample(new TenantMismatchError()) };

/** An object and an embedding to be cached. */
export const PROFILE = { name: 'Ada', languages: ['en', 'fr'] };
export const EMBEDDING = [0.25, -0.5, 0.125];
