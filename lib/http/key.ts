import { ValidationError } from '../errors.ts';
import type { CacheEvent } from './event.ts';
import { misspelledName } from './misspelling.ts';
import { keySchema, validate } from './schemas.ts';

/**
 * The key that a GET or a DELETE is about: from the path, where API Gateway has decoded it already, or from `?key=`.
 *
 * @throws ValidationError when there is none, more than one, it is not of a key's form, or a query parameter is misspelled
 */
export function readKey(event: CacheEvent): string {
  rejectMisspelledParameters(event, ['key']);
  return validate(keySchema, event.pathParameters?.key ?? queryParameter(event, 'key'), 'key');
}

function rejectMisspelledParameters({ rawQueryString }: CacheEvent, known: readonly string[]): void {
  if (!rawQueryString) return;
  for (const pair of rawQueryString.split('&')) {
    const name = pair.slice(0, pair.search(/=|$/));
    const meant = misspelledName(name, known);
    if (meant === undefined) continue;
    const message = `is an unknown query parameter, did you mean ${meant}?`;
    throw new ValidationError([{ field: name, message }]);
  }
}

/**
 * Reads a query parameter from the raw query string: in the decoded form that API Gateway also gives, two parameters of one
 * name cannot be told from one with a comma.
 */
function queryParameter(event: CacheEvent, name: string): string | undefined {
  const found = (event.rawQueryString ?? '').split('&').filter((pair) => pair.startsWith(`${name}=`));
  if (found.length > 1) throw new ValidationError([{ field: name, message: 'must be given once' }]);
  try {
    // A plus is a space in a query, which is what form encoders such as Python's write.
    return found[0] && decodeURIComponent(found[0].slice(name.length + 1).replaceAll('+', ' '));
  } catch (cause) {
    throw new ValidationError([{ field: name, message: 'must be percent-encoded UTF-8' }], { cause });
  }
}
