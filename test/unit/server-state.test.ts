import { expect, test } from 'vitest';
import { parseInfo } from '../../lib/store/redis/server-state.ts';

const info = (lines: string[]) => `${lines.join('\r\n')}\r\n`;

test('the INFO of Redis and Valkey is parsed', () => {
  const text = info([
    '# Clients',
    'connected_clients:7',
    '',
    '# Memory',
    'used_memory:1000000',
    'used_memory_human:976.56K',
    'used_memory_rss:1500000',
    'maxmemory:4000000',
    'maxmemory_policy:noeviction',
    'mem_fragmentation_ratio:1.52',
    '',
    '# Stats',
    'evicted_keys:42',
    'total_net_input_bytes:9',
  ]);
  expect(parseInfo(text)).toEqual({
    usedBytes: 1_000_000,
    limitBytes: 4_000_000,
    evicts: false,
    fragmentation: 1.5,
    evicted: 42,
    connections: 7,
  });
});

test('the INFO of Dragonfly is parsed, which contains no fragmentation ratio', () => {
  const text = info([
    '# Clients',
    'connected_clients:3',
    'max_clients:64000',
    '# Memory',
    'used_memory:2000',
    'used_memory_human:1.95KiB',
    'used_memory_rss:3000',
    'maxmemory:8000',
    'cache_mode:cache',
    'maxmemory_policy:eviction',
    '# Stats',
    'evicted_keys:0',
  ]);
  expect(parseInfo(text)).toEqual({
    usedBytes: 2000,
    limitBytes: 8000,
    evicts: true,
    fragmentation: 1.5,
    evicted: 0,
    connections: 3,
  });
});

test('an INFO without a memory limit or with few fields has undefined members', () => {
  expect(parseInfo(info(['used_memory:2000', 'maxmemory:0']))).toEqual({
    usedBytes: 2000,
    limitBytes: undefined,
    evicts: true,
    fragmentation: undefined,
    evicted: 0,
    connections: undefined,
  });
});
