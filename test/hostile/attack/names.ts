import { randomBytes } from 'node:crypto';
import { BYSTANDER, LEASE_TOKEN, LEASED_KEY, OWN } from '../generate/text.ts';
import type { Model } from '../oracle/model.ts';
import type { HostileRequest } from '../oracle/request.ts';

/** A tenant's name that nobody else has, of the length of those that stand for it in generated requests. */
export function newName(): string {
  return `hostile-${randomBytes(4).toString('hex').slice(0, 7)}`;
}

/** The same value with the real names of the two tenants in all of its texts. */
export function named<T>(value: T, own: string, bystander: string): T {
  const rename = (text: string) =>
    text
      .replaceAll(OWN, own)
      .replaceAll(BYSTANDER, bystander)
      .replaceAll(OWN.toUpperCase(), own.toUpperCase());
  const walk = (part: unknown): unknown => {
    if (typeof part === 'string') return rename(part);
    if (Array.isArray(part)) return part.map(walk);
    if (typeof part !== 'object' || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([name, member]) => [name, walk(member)]));
  };
  return walk(value) as T;
}

/** The same request with the key and the token of the last lease that was granted. */
export function withLease(request: HostileRequest, { granted }: Model): HostileRequest {
  if (request.body === undefined || !granted) return request;
  // Texts are bytes, one a character.
  const key = Buffer.from(JSON.stringify(granted.key)).toString('latin1');
  const body = request.body
    .replaceAll(JSON.stringify(LEASED_KEY), () => key)
    .replaceAll(LEASE_TOKEN, granted.token);
  return { ...request, body };
}
