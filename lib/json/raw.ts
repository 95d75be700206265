/** JSON text that is copied into a response without being parsed, such as a cached value. */
export class JsonText {
  readonly text: string;

  /** @param text valid JSON; it is not checked */
  constructor(text: string) {
    this.text = text;
  }
}

/** `JSON.stringify` for plain data that may contain {@link JsonText}. Undefined members are omitted. */
export function toJson(data: unknown): string {
  if (data instanceof JsonText) return data.text;
  if (Array.isArray(data)) return `[${data.map(toJson).join(',')}]`;
  if (typeof data !== 'object' || data === null) return JSON.stringify(data);
  let members = '';
  for (const [name, member] of Object.entries(data)) {
    if (member === undefined) continue;
    members += `${members && ','}${JSON.stringify(name)}:${toJson(member)}`;
  }
  return `{${members}}`;
}
