import { BackendUnavailableError, InvalidationIncompleteError } from '../../../lib/errors.ts';
import type { Answer } from './caller.ts';

interface Judged {
  /** Status and code. */
  name: string;
  /** Whether it is one of the failures that a fault of the backend explains. */
  passing: boolean;
  /** Whether it says that the backend did not answer. */
  unavailable: boolean;
  /** What it shows beyond the contract. */
  leak: string | undefined;
}

/** What a failure says, and whether it says no more than the contract has: nothing of what lies behind. */
export function judgeFailure({ status, text }: Answer): Judged {
  const error = errorOf(text);
  const name = `${status} ${error?.code ?? 'without code'}`;
  const unavailable = name === '503 BACKEND_UNAVAILABLE';
  const incomplete = name === '503 INVALIDATION_INCOMPLETE';
  return { name, unavailable, passing: unavailable || incomplete, leak: leakOf(text, error) };
}

interface ErrorPart {
  code?: string;
  message?: string;
  details?: Record<string, unknown>;
}

function errorOf(text: string): ErrorPart | undefined {
  try {
    return (JSON.parse(text) as { error?: ErrorPart }).error;
  } catch {
    return undefined;
  }
}

const ALLOWED = [new BackendUnavailableError(), new InvalidationIncompleteError(0)];

/** Not by a list of what must not be in it, which would never be whole, but by what alone may be. */
function leakOf(text: string, error: ErrorPart | undefined): string | undefined {
  const known = ALLOWED.find(({ code }) => code === error?.code);
  if (!known) return undefined;
  const { message, details = {} } = error ?? {};
  const expected = Object.keys(known.details).join();
  const numbers = Object.values(details).every((value) => typeof value === 'number');
  if (message === known.message && Object.keys(details).join() === expected && numbers) return undefined;
  return text.slice(0, 300);
}
