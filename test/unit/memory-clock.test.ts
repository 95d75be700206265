import { expect, test } from 'vitest';
import { MemoryStore } from '../../lib/store/memory/store.ts';

test('the embedded store reads no value that expires between two looks at the clock', async () => {
  for (let lifeMs = 1000; lifeMs < 1040; lifeMs++) {
    // Every look at the clock takes a millisecond.
    let nowEpochMs = 0;
    const store = new MemoryStore({ memoryMaxBytes: 1e6, nowEpochMs: () => nowEpochMs++ });
    await store.set('t', 'k', '1', 1, { graceSeconds: 1 });
    await store.set('t', 'short', '1', 1);
    for (const at of [lifeMs - 20, lifeMs + 980]) {
      nowEpochMs = at;
      const hits = [await store.get('t', 'k'), ...(await store.getMany('t', ['short', 'k'], 1e6))];
      for (const hit of hits) if (hit) expect(hit.ttl).toBeGreaterThan(0);
      await store.touch('t', 'short', 0.001);
      await store.lease('t', 'short', 300);
      await store.leaseMany('t', ['k', 'short'], 300, 1e6);
    }
  }
});
