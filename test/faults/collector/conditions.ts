import { type Receiver, startReceiver } from '../../observability/otel/receiver.ts';
import { LOOPBACK } from '../../support/engines/ports.ts';
import { type FaultProxy, startProxy } from '../proxy.ts';

/** A collector behind a fault proxy. */
export interface Collector {
  receiver: Receiver;
  proxy: FaultProxy;
  /** Settings that make the service export to this collector. */
  env: Record<string, string>;
  stop(): Promise<void>;
}

export async function startCollector(): Promise<Collector> {
  const receiver = await startReceiver();
  const proxy = await startProxy(receiver.port);
  return {
    receiver,
    proxy,
    env: { ENABLE_OTEL: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: `http://${LOOPBACK}:${proxy.port}` },
    async stop() {
      await proxy.stop();
      await receiver.stop();
    },
  };
}

/** A fault of the collector, or `healthy` and `back` for comparison. */
export interface Condition {
  name: string;
  begin(collector: Collector): unknown;
  end(collector: Collector): unknown;
}

const SLOW_MS = 2000;

export const conditions: readonly Condition[] = [
  { name: 'healthy', begin: () => {}, end: () => {} },
  {
    name: 'unavailable',
    begin: async ({ proxy }) => {
      await proxy.refuse();
      proxy.reset();
    },
    end: ({ proxy }) => proxy.accept(),
  },
  { name: 'silent', begin: ({ proxy }) => proxy.drop(), end: ({ proxy }) => proxy.heal() },
  {
    name: `slow by ${SLOW_MS} ms`,
    begin: ({ receiver }) => receiver.slow(SLOW_MS),
    end: ({ receiver }) => receiver.slow(0),
  },
  {
    name: 'overloaded (503)',
    begin: ({ receiver }) => receiver.respondWith(503),
    end: ({ receiver }) => receiver.respondWith(200),
  },
  { name: 'back', begin: () => {}, end: () => {} },
];

/** Median and maximum, for example `0.9 / 51.2 ms`. */
export function medianAndMaximum(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (index: number) => (sorted[index] ?? Number.NaN).toFixed(1);
  return `${at(Math.floor(sorted.length / 2))} / ${at(sorted.length - 1)} ms`;
}
