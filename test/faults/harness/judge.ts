import { BackendUnavailableError, InvalidationIncompleteError } from '../../../lib/errors.ts';
import type { HttpResponse } from './caller.ts';

interface ParsedFailure {
  /** Status and code. */
  name: string;
  /** Whether a fault of the backend may cause this failure. */
  explainable: boolean;
  /** Whether it reports that the backend is unavailable. */
  unavailable: boolean;
  /** The text of the response if it reveals more than the contract allows. */
  leak: string | undefined;
}

/** Parses an error response, and checks that it reveals no internal details. */
export function judgeFailure({ status, text }: HttpResponse): ParsedFailure {
  const error = errorOf(text);
  const name = `${status} ${error?.code ?? 'without code'}`;
  const unavailable = name === '503 BACKEND_UNAVAILABLE';
  const incomplete = name === '503 INVALIDATION_INCOMPLETE';
  return { name, unavailable, explainable: unavailable || incomplete, leak: leakOf(text, error) };
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

/** Compares with the allowed messages and details, because a list of forbidden texts would never be complete. */
function leakOf(text: string, error: ErrorPart | undefined): string | undefined {
  const known = ALLOWED.find(({ code }) => code === error?.code);
  if (!known) return undefined;
  const { message, details = {} } = error ?? {};
  const expected = Object.keys(known.details).join();
  const numbers = Object.values(details).every((value) => typeof value === 'number');
  if (message === known.message && Object.keys(details).join() === expected && numbers) return undefined;
  return text.slice(0, 300);
}
