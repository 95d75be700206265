import { createConfig, lintFromString } from '@redocly/openapi-core';
import { describe, expect, test } from 'vitest';
import { variants } from './described.ts';

/** The problems that Redocly's linter reports under its recommended rules, as `rule place: message`. */
async function lint(document: object): Promise<string[]> {
  const config = await createConfig({ extends: ['recommended'] });
  const problems = await lintFromString({ source: JSON.stringify(document), config });
  return problems.map(
    ({ ruleId, location: [place], message }) => `${ruleId} ${place?.pointer ?? ''}: ${message}`,
  );
}

/** A request to these operations has no input, so that it cannot be invalid. */
const NO_CLIENT_ERROR = ['/health', '/openapi.json'].map(
  (path) =>
    `operation-4xx-response #/paths/${path.replace('/', '~1')}/get/responses: Operation must have at least one \`4XX\` response.`,
);

describe.each(variants)('the document for %s', (_, document) => {
  test("has no problem under Redocly's recommended rules, except missing 4xx responses that cannot occur", async () => {
    expect(await lint(document)).toEqual(NO_CLIENT_ERROR);
  });
});
