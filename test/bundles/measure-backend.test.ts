import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { METRICS } from '../../lib/observability/metric-names.ts';
import { startCluster, type TestCluster } from '../support/engines/cluster.ts';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { onNode } from '../support/engines/topology.ts';
import { IMPATIENT } from '../support/patience.ts';
import { type LambdaFunction, startFunction } from './lambda.ts';

/** The input of the rule. */
const event: unknown = JSON.parse(
  readFileSync(new URL('../events/measure-backend.json', import.meta.url), 'utf8'),
);
/** The published metrics, in order. */
const PUBLISHED = [
  METRICS.backendReachable,
  METRICS.backendLatency,
  METRICS.memoryUsed,
  METRICS.memoryLimit,
  METRICS.memoryUsage,
  METRICS.memoryUsageNoEviction,
  METRICS.fragmentation,
  METRICS.evicted,
  METRICS.connections,
];
const MAX_BYTES = 64 * 1024 ** 2;

const running: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  for (const started of running.splice(0).reverse()) await started.stop();
});

async function stopAfterTest<T extends Server | TestCluster | LambdaFunction>(
  starting: Promise<T>,
): Promise<T> {
  const result = await starting;
  running.push(result);
  return result;
}

const startMeasureBackend = (url: string, settings: Record<string, string> = {}) =>
  stopAfterTest(
    startFunction('measure-backend', {
      ...settings,
      DRAGONFLY_URL: url,
      METRICS_NAMESPACE: 'CacheService/test',
    }),
  );

/** A log line in the embedded metric format of CloudWatch. */
interface Emf extends Record<string, unknown> {
  _aws: {
    Timestamp: number;
    CloudWatchMetrics: {
      Namespace: string;
      Dimensions: string[][];
      Metrics: { Name: string; Unit: string }[];
    }[];
  };
}

/** Invokes the function once. @returns the metric lines that it has written */
async function measure(lambda: LambdaFunction, given: unknown = event): Promise<Emf[]> {
  const before = lambda.output().length;
  await lambda.invoke(given);
  const lines = lambda.output().slice(before).split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line)).filter((line) => '_aws' in line);
}

const namesIn = ({ _aws }: Emf) => _aws.CloudWatchMetrics.flatMap(({ Metrics }) => Metrics);

describe('the function that measures the backend', () => {
  it('writes one line with the metrics of a server', async () => {
    const server = await stopAfterTest(startServer({ args: ['--maxmemory', String(MAX_BYTES)] }));
    const lambda = await startMeasureBackend(server.url);
    const [line, ...more] = await measure(lambda);
    expect(more).toEqual([]);
    expect(line?._aws.CloudWatchMetrics).toMatchObject([
      { Namespace: 'CacheService/test', Dimensions: [['service']] },
    ]);
    expect(line && namesIn(line)).toEqual(PUBLISHED.map(({ name, unit }) => ({ Name: name, Unit: unit })));
    const { BackendMemoryUsed: used, ...rest } = line as Emf & Record<string, number>;
    expect(used).toBeGreaterThan(0);
    expect(rest).toMatchObject({
      service: 'cache-service',
      BackendReachable: 1,
      BackendLatency: expect.any(Number),
      BackendMemoryLimit: MAX_BYTES,
      BackendMemoryUsageNoEviction: rest.BackendMemoryUsage,
      BackendMemoryUsage: expect.closeTo((100 * Number(used)) / MAX_BYTES, 6),
      BackendFragmentation: expect.any(Number),
      BackendEvicted: 0,
      BackendConnections: expect.any(Number),
    });
    expect(rest.BackendConnections).toBeGreaterThanOrEqual(1);
  });

  it('omits the memory usage without eviction if the server evicts', async () => {
    const server = await stopAfterTest(
      startServer({ args: ['--maxmemory', String(MAX_BYTES), '--maxmemory-policy', 'allkeys-lru'] }),
    );
    const [line] = await measure(await startMeasureBackend(server.url));
    expect(line).toMatchObject({ BackendMemoryUsage: expect.any(Number) });
    expect(line).not.toHaveProperty('BackendMemoryUsageNoEviction');
  });

  it('publishes only whether and how fast the backend replies, if its rule asks for reachability', async () => {
    const server = await stopAfterTest(startServer());
    const lambda = await startMeasureBackend(server.url);
    const [line] = await measure(lambda, { metrics: 'reachability' });
    expect(line && namesIn(line).map(({ Name }) => Name)).toEqual(['BackendReachable', 'BackendLatency']);
    expect(line?.BackendReachable).toBe(1);
  });

  it('sums the metrics of the servers of a cluster, and omits metrics that they do not report', async () => {
    const cluster = await stopAfterTest(startCluster());
    const [line] = await measure(await startMeasureBackend(cluster.url));
    const expected = PUBLISHED.filter(
      ({ name }) =>
        ![METRICS.memoryLimit, METRICS.memoryUsage, METRICS.memoryUsageNoEviction].some(
          (limit) => limit.name === name,
        ),
    );
    expect(line && namesIn(line).map(({ Name }) => Name)).toEqual(expected.map(({ name }) => name));
    expect(line?.BackendConnections).toBeGreaterThanOrEqual(3);
  });

  it('reports the memory usage of the fullest server of a cluster, and the sum of the memory limits', async () => {
    const cluster = await stopAfterTest(startCluster());
    const limits = [32, 256, 256].map((mebibytes) => mebibytes * 1024 ** 2);
    for (const [index, node] of cluster.nodes.entries()) {
      await onNode(node, (client) => client.config('SET', 'maxmemory', limits[index] ?? 0));
    }
    const [line] = await measure(await startMeasureBackend(cluster.url));
    const [used, limit, usage] = [METRICS.memoryUsed, METRICS.memoryLimit, METRICS.memoryUsage].map(
      ({ name }) => Number(line?.[name]),
    ) as [number, number, number];
    expect(limit).toBe(limits.reduce((sum, bytes) => sum + bytes));
    // All servers use about the same memory, so that the first is nearly six times as full as the cluster.
    expect(usage).toBeGreaterThan((3 * (100 * used)) / limit);
  });

  it('reports an unreachable backend, and a reachable one after its restart', async () => {
    const server = await stopAfterTest(startServer());
    const lambda = await startMeasureBackend(server.url, IMPATIENT);
    await server.kill();
    const [line] = await measure(lambda);
    expect(line).toMatchObject({ BackendReachable: 0, service: 'cache-service' });
    expect(line && namesIn(line)).toEqual([{ Name: 'BackendReachable', Unit: 'Count' }]);
    await server.restart();
    await expect.poll(async () => (await measure(lambda))[0]?.BackendReachable).toBe(1);
  });

  it('starts with an unreachable backend', async () => {
    const lambda = await startMeasureBackend(`redis://${LOOPBACK}:${await freePort()}`, IMPATIENT);
    expect(await measure(lambda)).toMatchObject([{ BackendReachable: 0 }]);
  });
});
