import { createHash } from 'node:crypto';

/** What a value says of itself. No two sets of a history share a version. */
export interface Stamp {
  tenant: string;
  key: string;
  version: number;
}

/** Characters of a body, at least and beyond that: some values are stored compressed, most are not. */
const SHORTEST = 20;
const SPREAD = [0, 100, 900, 4000] as const;

/** A value's JSON text. The body follows from the stamp, so that a value made of two, or cut short, shows. */
export function stampedValue(stamp: Stamp): string {
  const { tenant, key, version } = stamp;
  return JSON.stringify({ tenant, key, version, body: bodyOf(stamp) });
}

/** Reads a value's stamp; undefined when it is not the text that {@link stampedValue} made: it is torn. */
export function readStamp(text: string): Stamp | undefined {
  try {
    const { tenant, key, version } = JSON.parse(text) as Stamp;
    return stampedValue({ tenant, key, version }) === text ? { tenant, key, version } : undefined;
  } catch {
    return undefined;
  }
}

function bodyOf({ tenant, key, version }: Stamp): string {
  const seed = createHash('sha256').update(`${tenant}\n${key}\n${version}`).digest('hex');
  const length = SHORTEST + (SPREAD[version % SPREAD.length] ?? 0);
  return seed.repeat(Math.ceil(length / seed.length)).slice(0, length);
}
