import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { requestIds } from '../../lib/http/request.ts';

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The characters from `!` to `~`. */
const visible = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index));

const idsOf = (given: string) => requestIds({ 'x-correlation-id': given, 'x-request-id': given });

describe("a request's identifiers", () => {
  test("are the caller's if these are 1 to 128 visible ASCII characters", () => {
    const unit = fc.constantFrom(...visible);
    fc.assert(
      fc.property(fc.string({ unit, minLength: 1, maxLength: 128, size: 'max' }), (given) => {
        expect(idsOf(given)).toEqual({ correlationId: given, requestId: given });
      }),
    );
  });

  test('are two different UUIDs if the caller sent anything else', () => {
    const other = fc.string({ unit: 'binary-ascii', maxLength: 3 }).filter((text) => /[^!-~]/.test(text));
    const around = fc.string({ unit: fc.constantFrom(...visible), maxLength: 5 });
    const invalid = fc.oneof(
      fc.constantFrom('', 'é', '日', '\u2028', 'x'.repeat(129), 'x'.repeat(10_000), 'id\n', '\nid', 'a b'),
      fc.tuple(around, other, around).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(invalid, (given) => {
        const { correlationId, requestId } = idsOf(given);
        expect(correlationId).toMatch(UUID_V4);
        expect(requestId).toMatch(UUID_V4);
        expect(correlationId).not.toBe(requestId);
      }),
    );
  });

  test('are created only for those that are missing', () => {
    expect(requestIds({ 'x-correlation-id': 'chain' })).toEqual({
      correlationId: 'chain',
      requestId: expect.stringMatching(UUID_V4),
    });
    expect(requestIds({ 'x-request-id': 'link' })).toEqual({
      correlationId: expect.stringMatching(UUID_V4),
      requestId: 'link',
    });
    const [first, second] = [requestIds({}), requestIds({})];
    expect(new Set([...Object.values(first), ...Object.values(second)]).size).toBe(4);
  });
});
