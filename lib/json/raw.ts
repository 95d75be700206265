/** JSON text that goes into an answer as it is: a cached value, which nobody needs to parse on its way out. */
export class JsonText {
  readonly text: string;

  /** @param text valid JSON; it is not checked again */
  constructor(text: string) {
    this.text = text;
  }
}

/** `JSON.stringify` for plain data that may hold {@link JsonText} anywhere inside. Members that are undefined are left out. */
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
