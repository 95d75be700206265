import { expect, it } from 'vitest';
import { costTables } from '../../infra/stack/costs.ts';
import { read } from '../support/markdown.ts';

it('the costs in docs/deploy.md are those of the present templates', () => {
  expect(read('docs/deploy.md')).toContain(costTables());
});
