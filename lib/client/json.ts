/** Writes a value as JSON text. */
export type Stringify = (value: unknown) => string | undefined;

/** @throws TypeError for what JSON cannot carry: undefined, functions, symbols, bigints, what refers to itself */
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

/** The value that a lookup of this JSON text gives: it is parsed in the place that it has in an answer. */
export function parsedValue(text: string, parse: (text: string) => unknown): unknown {
  return (parse(`{"data":{"value":${text}}}`) as { data: { value: unknown } }).data.value;
}

/**
 * An entry as the service takes it.
 *
 * @param value JSON text, which is sent as it is
 */
export function entryText(key: string, value: string, ttl: number | undefined): string {
  return `{"key":${JSON.stringify(key)},"value":${value}${ttl === undefined ? '' : `,"ttl":${ttl}`}}`;
}
