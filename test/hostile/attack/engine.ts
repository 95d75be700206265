import assert from 'node:assert/strict';
import { infoFields, masters, withRawClient } from '../../support/engines/inspect.ts';

/** A key of the store as the service may write it: the tenant, the shard, and what the key is for. */
const STORE_KEY = /^\{cache:([A-Za-z0-9._-]{1,128}):(\d+)\}:(?:gen|exp|lex|old:[0-9a-f]+|e:.+)$/s;

const SHARDS = 16;

/**
 * Looks at every key that an engine holds: each is of a shard of one of these tenants, or of any, and is named as the service
 * names it.
 *
 * @param engine where it is, and its process when it was started
 * @throws AssertionError also when it holds none
 */
export function checkEngine(
  { url, pid }: { url: string; pid: number },
  tenants?: ReadonlySet<string>,
): Promise<void> {
  return withRawClient(url, async (client) => {
    let keys = 0;
    for (const node of masters(client)) {
      // Older versions of Dragonfly do not tell.
      const { process_id = pid } = await infoFields(node, 'server');
      assert.equal(Number(process_id), pid);
      for await (const page of node.scanStream({ count: 1000 })) {
        for (const key of page as string[]) {
          const [, tenant = '', shard] = STORE_KEY.exec(key) ?? [];
          assert.ok(
            tenant !== '' && (tenants?.has(tenant) ?? true),
            `The engine holds ${JSON.stringify(key)}`,
          );
          assert.ok(Number(shard) < SHARDS);
          keys++;
        }
      }
    }
    assert.ok(keys > 0, 'The engine holds nothing');
  });
}
