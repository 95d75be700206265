import type { EntryOptions } from './types.ts';

/** Writes a value as JSON text. */
export type Stringify = (value: unknown) => string | undefined;

/** @throws TypeError for what JSON cannot represent: undefined, functions, symbols, bigints, cycles */
export function valueText(value: unknown, stringify: Stringify, name = 'value'): string {
  let text: string | undefined;
  let reason = `${typeof value} is not`;
  let options: ErrorOptions | undefined;
  try {
    text = stringify(value);
  } catch (cause) {
    reason = (cause as Error | undefined)?.message ?? String(cause);
    options = { cause };
  }
  if (typeof text === 'string') return text;
  throw new TypeError(`${name} must be serializable as JSON: ${reason}`, options);
}

/** The value that a later lookup will return: a caller's own `parse` sees the text at the same depth as in a response. */
export function parsedValue(text: string, parse: (text: string) => unknown): unknown {
  return (parse(`{"data":{"value":${text}}}`) as { data: { value: unknown } }).data.value;
}

/** An entry of a request's body. @param value JSON text */
export function entryText(key: string, value: string, { ttl, grace, lease, tags }: EntryOptions): string {
  // The members after the value; JSON.stringify leaves out undefined ones.
  const options = JSON.stringify({ ttl, grace, lease, tags }).slice(1);
  return `{"key":${JSON.stringify(key)},"value":${value}${options === '}' ? '' : ','}${options}`;
}
