import { PayloadTooLargeError } from '../../errors.ts';
import { MAX_REST_BYTES } from '../../http/schemas.ts';
import type { Limits } from '../limits.ts';
import type { Documentation } from './documentation.ts';

export const get: Documentation = {
  ids: ['getEntry', 'getEntryByQuery'],
  tag: 'Entries',
  summary: 'Get a value',
  description: 'A miss is an answer like a hit, with the status 200.',
  answers: [{ status: 200, description: 'A hit or a miss.', data: 'Entry' }],
};

export function set({ maxValueBytes }: Limits): Documentation {
  return {
    ids: ['setEntry'],
    tag: 'Entries',
    summary: 'Set a value',
    description: `Replaces what was there. A value may have ${maxValueBytes} bytes of JSON, and the rest of the body ${MAX_REST_BYTES}.`,
    body: 'SetRequest',
    answers: [{ status: 201, description: 'It is set.', data: 'SetResult' }],
    tooLarge: {
      'large-value': {
        summary: 'A value that is too large',
        error: new PayloadTooLargeError('value', maxValueBytes),
      },
    },
  };
}

const remove: Documentation = {
  ids: ['deleteEntry', 'deleteEntryByQuery'],
  tag: 'Entries',
  summary: 'Delete an entry',
  description: 'Answered alike whether or not there was one.',
  answers: [{ status: 204, description: 'It is gone.' }],
};

export { remove as delete };

export const invalidate: Documentation = {
  ids: ['invalidateEntries'],
  tag: 'Entries',
  summary: 'Invalidate by a pattern',
  description:
    'Removes every entry of the tenant whose whole key matches. Its cost grows with the entries below what stands before the first `*`, `?` or `[`, so a pattern that begins with none of them is cheaper.',
  body: 'InvalidateRequest',
  answers: [{ status: 200, description: 'What matched is gone.', data: 'Invalidated' }],
  failures: ['TenantMismatchError', 'InvalidationIncompleteError'],
  tooLarge: {
    'large-body': {
      summary: 'A body that is too large',
      error: new PayloadTooLargeError('body', MAX_REST_BYTES),
    },
  },
};
