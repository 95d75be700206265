import { TOKEN } from '../http/lease.ts';

/** Members whose value varies between runs or backends: only their types are compared. */
const VARYING = [
  'correlation_id',
  'request_id',
  'timestamp',
  'latency_ms',
  'estimated',
  'backend',
  'retry_after_ms',
  'cursor',
];

/** Members that only some backends return. */
const OPTIONAL = ['memory'];

/** The response with the example's values in place of values that may differ, for a comparison with the example. */
export function settle(answer: unknown, example: unknown): unknown {
  if (Array.isArray(answer) && Array.isArray(example)) {
    return answer.map((item, index) => settle(item, example[index]));
  }
  if (!isRecord(answer) || !isRecord(example)) return answer;
  const members = Object.entries(answer)
    .filter(([name]) => name in example || !OPTIONAL.includes(name))
    .map(([name, member]) => [name, settleMember(name, member, example[name])]);
  return Object.fromEntries(members);
}

function settleMember(name: string, member: unknown, expected: unknown): unknown {
  if (VARYING.includes(name) && typeof member === typeof expected) return expected;
  if (name === 'token' && TOKEN.test(String(member))) return expected;
  // The remaining TTL decreases between a set and a get.
  if (name === 'ttl' && Number(member) > 0 && Number(member) <= Number(expected)) return expected;
  return settle(member, expected);
}

function isRecord(given: unknown): given is Record<string, unknown> {
  return typeof given === 'object' && given !== null && !Array.isArray(given);
}
