import { randomBytes } from 'node:crypto';
import { BYSTANDER, LEASE_TOKEN, LEASED_KEY, OWN } from '../generate/text.ts';
import type { Model } from '../oracle/model.ts';
import type { HostileRequest } from '../oracle/request.ts';

/** Returns a new, unique tenant name. It has the same length as the placeholders `OWN` and `BYSTANDER`. */
export function newTenantName(): string {
  return `hostile-${randomBytes(4).toString('hex').slice(0, 7)}`;
}

/** Returns a copy of a value with the tenant placeholders replaced by real names in every string. */
export function withTenants<T>(value: T, own: string, bystander: string): T {
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

/** Returns a copy of a request with the lease placeholders replaced by the last granted lease's key and token. */
export function withLease(request: HostileRequest, { granted }: Model): HostileRequest {
  if (request.body === undefined || !granted) return request;
  // A character of the body stands for one byte.
  const key = Buffer.from(JSON.stringify(granted.key)).toString('latin1');
  const body = request.body
    .replaceAll(JSON.stringify(LEASED_KEY), () => key)
    .replaceAll(LEASE_TOKEN, granted.token);
  return { ...request, body };
}
