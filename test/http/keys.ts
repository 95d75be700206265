import { API, type Client, dataOf } from './client.ts';
import type { RawResponse } from './gateway-raw.ts';

/** A key in a list. */
export interface Listed {
  key: string;
  ttl: number;
  stale: boolean;
  tags: string[];
}

/** The data of a list of keys. */
export interface Page {
  keys: Listed[];
  cursor: string | null;
}

/** Requests a page of keys. The query is encoded, or given as it is sent. */
export function sendList(
  client: Client,
  query: Record<string, string> | string = '',
  tenant = client.tenant,
): Promise<RawResponse> {
  const text = typeof query === 'string' ? query : String(new URLSearchParams(query));
  return client.send({ target: `${API}/tenant/${tenant}/keys${text === '' ? '' : `?${text}`}` });
}

export async function pageOf(client: Client, query: Record<string, string> | string = ''): Promise<Page> {
  return dataOf(await sendList(client, query), 200) as unknown as Page;
}

/** All pages of a walk. */
export async function walk(client: Client, query: Record<string, string> = {}): Promise<Listed[]> {
  const listed: Listed[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page: Page = await pageOf(client, { ...query, ...(cursor !== undefined && { cursor }) });
    listed.push(...page.keys);
    cursor = page.cursor;
  }
  return listed;
}

export const namesOf = (listed: readonly Listed[]) => listed.map(({ key }) => key);
