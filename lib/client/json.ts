/** Writes a value as JSON text. */
export type Stringify = (value: unknown) => string | undefined;

/** @throws TypeError for what JSON cannot carry: undefined, functions, symbols, bigints, what refers to itself */
export function valueText(value: unknown, stringify: Stringify): string {
  const text = stringify(value);
  if (typeof text === 'string') return text;
  throw new TypeError(`A cached value must be what JSON can carry, and ${typeof value} is not`);
}

/**
 * An entry as the service takes it.
 *
 * @param value JSON text, which goes out as it is
 * @throws TypeError for a TTL that is no number of seconds, which JSON would make a null of, and the service its default of that
 */
export function entryText(key: string, value: string, ttl: number | undefined): string {
  if (ttl !== undefined && !Number.isFinite(ttl)) throw new TypeError('ttl must be a number of seconds');
  return `{"key":${JSON.stringify(key)},"value":${value}${ttl === undefined ? '' : `,"ttl":${ttl}`}}`;
}
