import assert from 'node:assert/strict';
import { AUTO_SHARDS } from '../../../lib/config/config.ts';
import { infoFields, masters, withRawClient } from '../../support/engines/inspect.ts';

/** The keys that the service may write: tenant, shard and purpose. */
const STORE_KEY = /^\{cache:([A-Za-z0-9._-]{1,128}):(\d+)\}:(?:gen|exp|lex|old:[0-9a-f]+|e:.+)$/s;

/**
 * Checks every key in an engine: its name has the service's format, and its tenant is one of `tenants`, or any tenant if
 * `tenants` is omitted.
 *
 * @param engine its URL, and the id of the process that was started
 * @throws AssertionError if a key has another name, if the engine has been restarted, or if it contains no keys
 */
export function checkEngine(
  { url, pid }: { url: string; pid: number },
  tenants?: ReadonlySet<string>,
): Promise<void> {
  return withRawClient(url, async (client) => {
    let keys = 0;
    for (const node of masters(client)) {
      // Older versions of Dragonfly do not report their process id.
      const { process_id = pid } = await infoFields(node, 'server');
      assert.equal(Number(process_id), pid);
      for await (const page of node.scanStream({ count: 1000 })) {
        for (const key of page as string[]) {
          const [, tenant = '', shard] = STORE_KEY.exec(key) ?? [];
          assert.ok(
            tenant !== '' && (tenants?.has(tenant) ?? true),
            `The engine contains an unexpected key: ${JSON.stringify(key)}`,
          );
          assert.ok(Number(shard) < AUTO_SHARDS);
          keys++;
        }
      }
    }
    assert.ok(keys > 0, 'The engine contains no keys');
  });
}
