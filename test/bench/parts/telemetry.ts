import { join } from 'node:path';
import { namespaceOf } from '../../../infra/stack/metrics.ts';
import { eventFor } from '../../bundles/events.ts';
import { bundles } from '../../bundles/lambda.ts';
import { startReceiver } from '../../observability/otel/receiver.ts';
import { startNats } from '../../support/engines/nats.ts';
import { type Server, startServer } from '../../support/engines/server.ts';
import { bundle } from '../bundle.ts';
import { type BenchOptions, type Comparison, median, type Part, takeTurns } from '../part.ts';
import { type Sandbox, startSandbox } from '../sandbox.ts';
import type { Settings } from '../sandbox-environment.ts';
import { compareSides, once, type Side } from '../side.ts';
import { recordsJson } from '../values.ts';
import { timeStart } from './start.ts';

type Operation = 'get' | 'set';

/** A kind of telemetry, compared with none. */
interface Variant {
  what: string;
  operation: Operation;
  settings: Settings;
}

/** No request log, no metrics, no traces and no events. */
const WITHOUT_TELEMETRY: Settings = { LOG_LEVEL: 'ERROR', METRICS_NAMESPACE: '' };

const KEY = 'user:4711:profile';
const VALUE = recordsJson(1000);
const HEADERS = { 'X-Tenant-ID': 'tenant_123' };
const EVENTS: Record<Operation, Omit<Side, 'sandbox'>> = {
  get: { event: eventFor('get', { parameters: { key: KEY }, headers: HEADERS }), status: 200 },
  set: {
    event: eventFor('set', { body: `{"key":"${KEY}","value":${VALUE}}`, headers: HEADERS }),
    status: 201,
  },
};

/** The cost of each kind of telemetry for a warm function and a cold start: the same function with it and without. */
export const telemetry: Part = {
  name: 'telemetry',
  async run(options) {
    const { outdir } = await bundles();
    const server = await startServer();
    const receiver = await startReceiver();
    const nats = await startNats();
    const starter = await bundle({ starter: 'starter.ts' });
    const namespace = { METRICS_NAMESPACE: namespaceOf('prod') };
    const otel = { ENABLE_OTEL: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url };
    const events = { ENABLE_NATS: 'true', NATS_URL: nats.url };
    const variants: Variant[] = [
      { what: 'a line in the log', operation: 'get', settings: { LOG_LEVEL: 'INFO' } },
      { what: 'a line with metrics', operation: 'get', settings: { LOG_LEVEL: 'INFO', ...namespace } },
      { what: 'metrics alone', operation: 'get', settings: namespace },
      { what: 'ENABLE_OTEL', operation: 'get', settings: otel },
      { what: 'ENABLE_NATS', operation: 'set', settings: events },
    ];
    try {
      const comparisons: Comparison[] = [];
      for (const variant of variants) {
        options.say(variant.what);
        comparisons.push(...(await warm(variant, outdir, server, options)));
      }
      for (const variant of variants.filter(({ what }) => what !== 'metrics alone')) {
        options.say(`cold start with ${variant.what}`);
        comparisons.push(await cold(variant, join(starter.outdir, 'starter.mjs'), outdir, server, options));
      }
      if (receiver.spans.length === 0) throw new Error('The receiver has received no spans');
      return comparisons;
    } finally {
      await starter.remove();
      await nats.stop();
      await receiver.stop();
      await server.stop();
    }
  },
};

async function warm(
  { what, operation, settings }: Variant,
  outdir: string,
  { url }: Server,
  options: BenchOptions,
): Promise<Comparison[]> {
  const sandboxes: Sandbox[] = [];
  const side = async (name: Operation, set: Settings): Promise<Side> => {
    const sandbox = await startSandbox(name, outdir, url, { ...WITHOUT_TELEMETRY, ...set });
    sandboxes.push(sandbox);
    return { ...EVENTS[name], sandbox };
  };
  try {
    // Store the entry that the get reads.
    await once(await side('set', {}));
    const ours = await side(operation, settings);
    const { wall, cpu } = await compareSides(ours, await side(operation, {}), 200, options);
    const row = { anchor: 'the same without', unit: 'µs' };
    const name = `warm ${operation} of 1 kB with ${what}`;
    return [
      { what: `${name}, time`, ...row, ...wall },
      { what: `${name}, CPU`, ...row, ...cpu },
    ];
  } finally {
    await Promise.all(sandboxes.map((sandbox) => sandbox.stop()));
  }
}

async function cold(
  { what, operation, settings }: Variant,
  starter: string,
  outdir: string,
  { url }: Server,
  { size, rounds }: BenchOptions,
): Promise<Comparison> {
  const { event, status } = EVENTS[operation];
  const starts = size === 'tiny' ? 1 : 9;
  const turn = async (set: Settings) => {
    const times: number[] = [];
    while (times.length < starts) {
      const given = { settings: { ...WITHOUT_TELEMETRY, ...set }, event: JSON.stringify(event), status };
      times.push((await timeStart(starter, operation, outdir, url, given)).whole);
    }
    return median(times);
  };
  const samples = await takeTurns(
    rounds,
    () => turn(settings),
    () => turn({}),
  );
  return {
    what: `cold start of ${operation} with ${what}`,
    anchor: 'the same without',
    unit: 'ms',
    ...samples,
  };
}
