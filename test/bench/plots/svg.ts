/** An element of an XML document. */
export interface Element {
  name: string;
  attributes: Record<string, string>;
  children: (Element | string)[];
}

const NAME = '[A-Za-z_][\\w.:-]*';
const TOKEN = new RegExp(
  `<(?<open>${NAME})(?<attributes>(?:\\s+${NAME}="[^"<]*")*)\\s*(?<empty>/?)>|</(?<close>${NAME})\\s*>|(?<text>[^<]+)`,
  'y',
);
const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/**
 * Parses XML without comments, declarations and CDATA sections, which plots do not contain.
 *
 * @throws Error if it is not well-formed
 */
export function parseXml(xml: string): Element {
  const document: Element = { name: '', attributes: {}, children: [] };
  const open = [document];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < xml.length) {
    const at = TOKEN.lastIndex;
    const token = TOKEN.exec(xml)?.groups;
    const parent = open[open.length - 1];
    if (!token || !parent) throw new Error(`Not well-formed at ${at}: ${xml.slice(at, at + 60)}`);
    if (token.text !== undefined) {
      parent.children.push(decoded(token.text));
    } else if (token.open !== undefined) {
      const element: Element = { name: token.open, attributes: attributesOf(token.attributes), children: [] };
      parent.children.push(element);
      if (token.empty === '') open.push(element);
    } else if (open.pop()?.name !== token.close) {
      throw new Error(`</${token.close}> at ${at} closes something else`);
    }
  }
  const [root, ...more] = document.children.filter(
    (child) => typeof child !== 'string' || child.trim() !== '',
  );
  if (open.length !== 1 || typeof root !== 'object' || more.length > 0)
    throw new Error('Not a single complete element');
  return root;
}

function attributesOf(text = ''): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(new RegExp(`(${NAME})="([^"]*)"`, 'g'))) {
    if (name in attributes) throw new Error(`Duplicate attribute ${name} in ${text}`);
    attributes[name] = decoded(value);
  }
  return attributes;
}

/** Replaces the entities. */
function decoded(text: string): string {
  return text.replace(/&(?:#(\d+)|(\w*));?/g, (found, code, name) => {
    const character = code === undefined ? ENTITIES[name] : String.fromCodePoint(Number(code));
    if (character === undefined || !found.endsWith(';'))
      throw new Error(`${found} in ${text} is not an entity`);
    return character;
  });
}

/** Returns the texts of the picture, one per line. */
export function textOf(root: Element): string {
  return find(root, ({ name }) => name === 'text')
    .map((element) =>
      find(element, () => true)
        .flatMap(({ children }) => children.filter((child) => typeof child === 'string'))
        .join(' '),
    )
    .join('\n');
}

/** Returns the position and colour of all data marks of a kind, in drawing order. */
export function marks(root: Element, kind: string): { x: number; y: number; fill: string | undefined }[] {
  return find(root, ({ attributes }) => (attributes.class ?? '').split(' ').includes(kind))
    .filter(({ attributes }) => (attributes.class ?? '').includes('role-mark'))
    .flatMap((group) => find(group, ({ name }) => name === 'path'))
    .map(({ attributes: { transform = '', fill } }) => {
      const [, x = Number.NaN, y = Number.NaN] = /^translate\(([-\d.]+),([-\d.]+)\)$/.exec(transform) ?? [];
      return { x: Number(x), y: Number(y), fill };
    });
}

function find(element: Element, wanted: (element: Element) => boolean): Element[] {
  const below = element.children.flatMap((child) => (typeof child === 'string' ? [] : find(child, wanted)));
  return wanted(element) ? [element, ...below] : below;
}
