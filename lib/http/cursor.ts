import { createHash } from 'node:crypto';
import { ValidationError } from '../errors.ts';

/** What a walk over keys lists. A cursor is valid for the same walk only. */
export interface Walked {
  tenant: string;
  pattern: string;
  tag: string | undefined;
}

const CHECKSUM_BYTES = 12;

/**
 * Encodes where the next page of a walk begins. The checksum finds a cursor that was altered or belongs to another walk. It is no secret: a
 * cursor gives access to nothing.
 */
export function encodeCursor(after: string, walked: Walked): string {
  return Buffer.concat([checksum(after, walked), Buffer.from(after)]).toString('base64url');
}

/** @throws ValidationError if the cursor is not that of this walk */
export function decodeCursor(cursor: string, walked: Walked): string {
  const after = Buffer.from(cursor, 'base64url').subarray(CHECKSUM_BYTES).toString();
  if (!/\p{Cc}/u.test(after) && encodeCursor(after, walked) === cursor) return after;
  const message = 'must be the cursor of the page before, with the same tenant, pattern and tag';
  throw new ValidationError([{ field: 'cursor', message }]);
}

function checksum(after: string, { tenant, pattern, tag }: Walked): Buffer {
  // JSON writes an absent tag as null.
  const text = JSON.stringify([tenant, pattern, tag, after]);
  return createHash('sha256').update(text).digest().subarray(0, CHECKSUM_BYTES);
}
