import { PayloadTooLargeError } from '../../errors.ts';
import { MAX_BATCH, MAX_BATCH_REST_BYTES, maxBatchBytesOf } from '../../http/schemas.ts';
import type { Limits } from '../limits.ts';
import type { Documentation } from './documentation.ts';

/** Values that are too large together, of which the first one fits. */
const largeBatch = (limits: Limits) => ({
  'large-batch': {
    summary: 'Two values that are too large together',
    error: new PayloadTooLargeError('batch', maxBatchBytesOf(limits), { fitting: 1 }),
  },
});

export function batchGet(limits: Limits): Documentation {
  return {
    ids: ['getBatch'],
    tag: 'Batches',
    summary: 'Get several values',
    description: `1 to ${MAX_BATCH} keys. The values found may have ${maxBatchBytesOf(limits)} bytes together; \`details.fitting\` of a 413 says how many of the keys to ask for instead.`,
    body: 'BatchKeysRequest',
    answers: [{ status: 200, description: 'What a get would answer, for each key.', data: 'Entries' }],
    tooLarge: largeBatch(limits),
  };
}

export function batchSet(limits: Limits): Documentation {
  return {
    ids: ['setBatch'],
    tag: 'Batches',
    summary: 'Set several values',
    description: `1 to ${MAX_BATCH} items, each as in a set, all of which are checked before any is written. Each value may have ${limits.maxValueBytes} bytes, and all together ${maxBatchBytesOf(limits)}; the rest of the body ${MAX_BATCH_REST_BYTES}. After a 503 some may be written.`,
    body: 'BatchSetRequest',
    answers: [{ status: 201, description: 'All of them are set.', data: 'SetResults' }],
    tooLarge: largeBatch(limits),
  };
}

export const batchDelete: Documentation = {
  ids: ['deleteBatch'],
  tag: 'Batches',
  summary: 'Delete several entries',
  description: `1 to ${MAX_BATCH} keys. After a 503 some may be gone.`,
  body: 'BatchKeysRequest',
  answers: [{ status: 200, description: 'All of them are gone.', data: 'Deleted' }],
  tooLarge: {
    'large-body': {
      summary: 'A body that is too large',
      error: new PayloadTooLargeError('body', MAX_BATCH_REST_BYTES),
    },
  },
};
