import { keySchema } from '../../http/schemas.ts';
import { EMBEDDING, type EndpointDocumentation, noContent, PATHLESS_KEY, rejected } from '../endpoint.ts';

export function deleteEntry(): EndpointDocumentation {
  return {
    operationIds: ['deleteEntry', 'deleteEntryByQuery'],
    tag: 'Entries',
    summary: 'Delete an entry',
    description: 'The response is the same whether or not the entry existed.',
    successes: [{ status: 204, description: 'The entry does not exist any more.' }],
    examples: [
      {
        name: 'entry',
        summary: 'An entry',
        given: [{ key: 'user:123', value: EMBEDDING }],
        parameters: { key: 'user:123' },
        response: noContent,
      },
      {
        name: 'entry',
        summary: 'An entry whose key a path cannot carry',
        given: [{ key: PATHLESS_KEY, value: EMBEDDING }],
        byQuery: true,
        parameters: { key: PATHLESS_KEY },
        response: noContent,
      },
      {
        name: 'empty-key',
        summary: 'An empty key',
        byQuery: true,
        parameters: { key: '' },
        response: rejected(keySchema, '', 'key'),
      },
    ],
  };
}
