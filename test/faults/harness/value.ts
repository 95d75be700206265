import { createHash } from 'node:crypto';

/** The identity of a value, which is part of the value. Each set of a history has its own version. */
export interface Stamp {
  tenant: string;
  key: string;
  version: number;
}

/** Minimum length of a value's body, and the additional lengths. Some values are long enough to be stored compressed. */
const SHORTEST = 20;
const SPREAD = [0, 100, 900, 4000] as const;

/** Returns a value's JSON text. The body is derived from the stamp, so that a mixed or truncated value is detected. */
export function stampedValue(stamp: Stamp): string {
  const { tenant, key, version } = stamp;
  return JSON.stringify({ tenant, key, version, body: bodyOf(stamp) });
}

/** Reads a value's stamp; undefined if the text is torn, that is, not a result of {@link stampedValue}. */
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
