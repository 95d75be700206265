/**
 * Represents values that JSON cannot, as objects with the member `$type`: bytes, dates, URLs, and undefined in lists. Members that are
 * undefined are left out, as in JSON.
 */

const TYPE = '$type';

interface Tagged {
  [TYPE]: 'bytes' | 'date' | 'object' | 'undefined' | 'url';
  value?: unknown;
}

/** @returns what JSON can represent, if `value` contains nothing else, such as a bigint or a cycle */
export function encode(value: unknown): unknown {
  if (value === undefined) return tagged('undefined');
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return tagged('bytes', base64Of(value));
  if (value instanceof Date) return tagged('date', value.toJSON());
  if (value instanceof URL) return tagged('url', value.href);
  if (Array.isArray(value)) return value.map(encode);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  const object = Object.fromEntries(members.map(([name, member]) => [name, encode(member)]));
  return TYPE in object ? tagged('object', object) : object;
}

/** Returns new objects on each call. @param value a result of `encode` that was JSON in between */
export function decode(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(decode);
  if (!(TYPE in value)) return decodeMembers(value);
  const { [TYPE]: type, value: content } = value as Tagged;
  if (type === 'bytes') return Uint8Array.from(atob(content as string), (byte) => byte.charCodeAt(0));
  if (type === 'date') return new Date(content === null ? Number.NaN : (content as string));
  if (type === 'url') return new URL(content as string);
  return type === 'object' ? decodeMembers(content as object) : undefined;
}

/** JSON text that does not depend on the order of members. */
export function canonicalText(value: unknown): string {
  return JSON.stringify(encode(value), (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

function tagged(type: Tagged[typeof TYPE], value?: unknown): Tagged {
  return { [TYPE]: type, value };
}

function decodeMembers(object: object): object {
  return Object.fromEntries(Object.entries(object).map(([name, member]) => [name, decode(member)]));
}

function base64Of(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
