import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { eventFor } from '../../bundles/events.ts';
import { bundles } from '../../bundles/lambda.ts';
import { startServer } from '../../support/engines/server.ts';
import { bundle } from '../bundle.ts';
import { type Comparison, median, type Part, takeTurns } from '../part.ts';
import { deployedEnvironment, type Settings } from '../sandbox-environment.ts';
import type { Start } from '../starter.ts';

const EVENT = JSON.stringify(
  eventFor('get', { parameters: { key: 'nothing' }, headers: { 'X-Tenant-ID': 'tenant_123' } }),
);

/** Maximum size of the code that a function reads at its start, in bytes of minified code. */
const MAX_START_BYTES = 260_000;

/** A cold start: from the start of the process until the handler is loaded and connected to a server. */
export const start: Part = {
  name: 'start',
  async run({ size, rounds, say }) {
    const build = await bundles();
    const anchor = await bundle({ starter: 'starter.ts', start: 'anchors/start.ts' });
    const server = await startServer();
    const starts = size === 'tiny' ? 1 : 15;
    try {
      const starter = join(anchor.outdir, 'starter.mjs');
      const loading: Pick<Comparison, 'ours' | 'theirs'> = { ours: [], theirs: [] };
      const turn = async (name: string, outdir: string, loadingSamples: number[]) => {
        const times: Times[] = [];
        while (times.length < starts) times.push(await timeStart(starter, name, outdir, server.url));
        loadingSamples.push(median(times.map(({ loading }) => loading)));
        return median(times.map(({ whole }) => whole));
      };
      const ours = (samples: number[]) => turn('get', build.outdir, samples);
      const theirs = (samples: number[]) => turn('start', anchor.outdir, samples);
      // The first starts read files that are not in the system's cache.
      await ours([]);
      await theirs([]);
      const whole = await takeTurns(
        rounds,
        () => ours(loading.ours),
        () => theirs(loading.theirs),
      );

      say(`most of the code: ${build.largest.map(({ module, bytes }) => `${module} ${bytes}`).join(', ')}`);
      const bytesOf = (name: string) => build.bundles.find((each) => each.name === name)?.startBytes ?? 0;
      const anchorText = 'middy + ioredis, an empty handler';
      return [
        {
          what: 'cold start of get, connected',
          anchor: anchorText,
          unit: 'ms',
          ...whole,
          goal: { atMost: 1.1 },
        },
        { what: 'of it, after Node itself has started', anchor: anchorText, unit: 'ms', ...loading },
        {
          what: 'code that a cold start of get reads',
          anchor: anchorText,
          unit: 'bytes',
          ours: [bytesOf('get')],
          theirs: [anchor.bytes.start ?? 0],
        },
        {
          what: 'code that a cold start reads, at most',
          anchor: 'what is allowed',
          unit: 'bytes',
          ours: [Math.max(...build.bundles.map(({ startBytes }) => startBytes))],
          theirs: [MAX_START_BYTES],
          goal: { atMost: 1 },
        },
      ];
    } finally {
      await server.stop();
      await anchor.remove();
    }
  },
};

/** Durations in milliseconds. */
interface Times {
  /** From the start of the process until the handler is loaded. */
  whole: number;
  /** From the start of the first code in Node until the handler is loaded. */
  loading: number;
  /** From the start of the process until the response to the first event. */
  responded: number;
}

interface StartOptions {
  /** Settings that differ from those of a deployed function. */
  settings?: Settings;
  /** JSON text of the event, and the status of the response if the function is connected. Default: a get. */
  event?: string;
  status?: number;
}

export async function timeStart(
  starter: string,
  name: string,
  outdir: string,
  backendUrl: string,
  { settings = {}, event = EVENT, status: connected = 200 }: StartOptions = {},
): Promise<Times> {
  const spawned = process.hrtime.bigint();
  const child = spawn(process.execPath, [starter, join(outdir, `${name}.mjs`), event], {
    cwd: outdir,
    env: deployedEnvironment(name, outdir, backendUrl, settings),
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  });
  const [output, [code]] = await Promise.all([text(child.stdio[3] as Readable), once(child, 'exit')]);
  if (code !== 0) throw new Error(`The start of ${name} exited with ${code}`);
  const { began, ready, responded, status } = JSON.parse(output) as Start;
  if (status !== connected) throw new Error(`${name} has started without a connection: status ${status}`);
  const milliseconds = (from: bigint, to: string) => Number(BigInt(to) - from) / 1e6;
  return {
    whole: milliseconds(spawned, ready),
    loading: milliseconds(BigInt(began), ready),
    responded: milliseconds(spawned, responded),
  };
}
