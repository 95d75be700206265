import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { METRICS } from '../../lib/observability/metric-names.ts';
import { startCluster, type TestCluster } from '../support/engines/cluster.ts';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { onNode } from '../support/engines/topology.ts';
import { IMPATIENT } from '../support/patience.ts';
import { type LambdaFunction, startFunction } from './lambda.ts';

/** As EventBridge sends it. */
const event: unknown = JSON.parse(
  readFileSync(new URL('../events/measure-backend.json', import.meta.url), 'utf8'),
);
/** What it publishes, in this order. */
const PUBLISHED = [
  METRICS.backendReachable,
  METRICS.backendLatency,
  METRICS.memoryUsed,
  METRICS.memoryLimit,
  METRICS.memoryUsage,
  METRICS.fragmentation,
  METRICS.evicted,
  METRICS.connections,
];
const MAX_BYTES = 64 * 1024 ** 2;

const running: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  for (const started of running.splice(0).reverse()) await started.stop();
});

async function started<T extends Server | TestCluster | LambdaFunction>(starting: Promise<T>): Promise<T> {
  const result = await starting;
  running.push(result);
  return result;
}

const measuring = (url: string, settings: Record<string, string> = {}) =>
  started(
    startFunction('measure-backend', {
      ...settings,
      DRAGONFLY_URL: url,
      METRICS_NAMESPACE: 'CacheService/test',
    }),
  );

/** A line of the log in the form of which CloudWatch makes metrics. */
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

/** The lines of metrics that it has written for one event. */
async function measure(lambda: LambdaFunction): Promise<Emf[]> {
  const before = lambda.output().length;
  await lambda.invoke(event);
  const lines = lambda.output().slice(before).split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line)).filter((line) => '_aws' in line);
}

const namesIn = ({ _aws }: Emf) => _aws.CloudWatchMetrics.flatMap(({ Metrics }) => Metrics);

describe('the function that measures the backend', () => {
  it('writes one line, with what a server says of itself as metrics', async () => {
    const server = await started(startServer({ args: ['--maxmemory', String(MAX_BYTES)] }));
    const lambda = await measuring(server.url);
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
      BackendMemoryUsage: expect.closeTo((100 * Number(used)) / MAX_BYTES, 6),
      BackendFragmentation: expect.any(Number),
      BackendEvicted: 0,
      BackendConnections: expect.any(Number),
    });
    expect(rest.BackendConnections).toBeGreaterThanOrEqual(1);
  });

  it('adds up what the servers of a cluster say, and leaves out what they do not', async () => {
    const cluster = await started(startCluster());
    const [line] = await measure(await measuring(cluster.url));
    const told = PUBLISHED.filter(
      (metric) => ![METRICS.memoryLimit, METRICS.memoryUsage].some((limit) => limit === metric),
    );
    expect(line && namesIn(line).map(({ Name }) => Name)).toEqual(told.map(({ name }) => name));
    expect(line?.BackendConnections).toBeGreaterThanOrEqual(3);
  });

  it('tells how full the fullest server of a cluster is, and what all of them may use together', async () => {
    const cluster = await started(startCluster());
    const limits = [32, 256, 256].map((mebibytes) => mebibytes * 1024 ** 2);
    for (const [index, node] of cluster.nodes.entries()) {
      await onNode(node, (client) => client.config('SET', 'maxmemory', limits[index] ?? 0));
    }
    const [line] = await measure(await measuring(cluster.url));
    const [used, limit, usage] = [METRICS.memoryUsed, METRICS.memoryLimit, METRICS.memoryUsage].map(
      ({ name }) => Number(line?.[name]),
    ) as [number, number, number];
    expect(limit).toBe(limits.reduce((sum, bytes) => sum + bytes));
    // They hold alike, so that the first is nearly six times as full as all of them together.
    expect(usage).toBeGreaterThan((3 * (100 * used)) / limit);
  });

  it('says that the backend cannot be reached, and says when it can be again', async () => {
    const server = await started(startServer());
    const lambda = await measuring(server.url, IMPATIENT);
    await server.kill();
    const [line] = await measure(lambda);
    expect(line).toMatchObject({ BackendReachable: 0, service: 'cache-service' });
    expect(line && namesIn(line)).toEqual([{ Name: 'BackendReachable', Unit: 'Count' }]);
    await server.restart();
    await expect.poll(async () => (await measure(lambda))[0]?.BackendReachable).toBe(1);
  });

  it('starts where there is no backend', async () => {
    const lambda = await measuring(`redis://${LOOPBACK}:${await freePort()}`, IMPATIENT);
    expect(await measure(lambda)).toMatchObject([{ BackendReachable: 0 }]);
  });
});
