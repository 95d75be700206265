import { randomBytes } from 'node:crypto';
import { BYSTANDER, OWN } from '../generate/text.ts';

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
