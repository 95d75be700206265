import { setTimeout as sleep } from 'node:timers/promises';
import { type LambdaFunction, startFunction } from '../../bundles/lambda.ts';
import { startServer } from '../../engines/server.ts';
import { functionCaller } from '../harness/caller.ts';
import { now } from '../harness/clock.ts';
import { underLoad } from '../harness/experiment.ts';
import type { Figures } from '../harness/figures.ts';
import { Load } from '../harness/load.ts';
import { operatorSees } from '../harness/log.ts';
import type { Run, Scenario } from '../harness/scenario.ts';
import { type Collector, conditions, middleAndMost, startCollector } from './conditions.ts';

/** How long it may take until a collector that is back has been found again, in milliseconds. */
const BACK_MS = 40_000;

async function withBackendAndCollector(
  run: (backendUrl: string, collector: Collector) => Promise<Figures>,
): Promise<Figures> {
  const server = await startServer();
  const collector = await startCollector();
  try {
    const figures = await run(server.url, collector);
    const { spans, problems } = collector.receiver;
    figures.notes['spans that came'] = spans.length;
    figures.problems.push(...problems.map((problem) => `no OTLP: ${problem}`));
    figures.unexplained += problems.length;
    return figures;
  } finally {
    await collector.stop();
    await server.stop();
  }
}

/** Waits until spans come again, and `keepOn` meanwhile. */
async function untilSpansCome({ receiver }: Collector, keepOn: () => Promise<unknown>): Promise<number> {
  const before = receiver.spans.length;
  const began = now();
  while (receiver.spans.length === before) {
    if (now() - began > BACK_MS) throw new Error(`No span came within ${BACK_MS} ms`);
    await keepOn();
  }
  return now() - began;
}

/** None of this is a fault that explains a failure: no request may notice. */
function onServer({ pick }: Run): Promise<Figures> {
  return withBackendAndCollector(async (backendUrl, collector) => {
    const notes: Figures['notes'] = {};
    let slowestReturn = 0;
    const figures = await underLoad(
      { env: { DRAGONFLY_URL: backendUrl, ...collector.env } },
      async (load) => {
        for (const condition of conditions) {
          await condition.begin(collector);
          const from = now();
          await sleep(pick(1500, 4_000));
          const to = now();
          await condition.end(collector);
          const during = load.history.filter(({ began, ended }) => began >= from && ended <= to);
          notes[`requests, collector ${condition.name}`] = middleAndMost(
            during.map(({ began, ended }) => ended - began),
          );
          slowestReturn = Math.max(slowestReturn, await untilSpansCome(collector, () => sleep(20)));
        }
        notes['spans again after'] = `${Math.round(slowestReturn)} ms at most`;
      },
    );
    Object.assign(figures.notes, notes);
    return figures;
  });
}

function inFunctions({ pick }: Run): Promise<Figures> {
  return withBackendAndCollector(async (backendUrl, collector) => {
    const functions: Partial<Record<'get' | 'set', LambdaFunction>> = {};
    try {
      for (const operation of ['get', 'set'] as const) {
        const settings = { DRAGONFLY_URL: backendUrl, LOG_LEVEL: 'INFO', ...collector.env };
        functions[operation] = await startFunction(operation, settings);
      }
      // Nothing is asked but here.
      const load = new Load(functionCaller(functions), { callers: 0 });
      const [tenant = ''] = load.mix.tenants;
      const timed = async () => {
        await load.ask(load.mix.set(tenant, 'k:1', 300));
        const began = now();
        await load.ask({ operation: 'get', tenant, key: 'k:1' });
        return now() - began;
      };
      const notes: Figures['notes'] = {};
      let slowestReturn = 0;
      for (const condition of conditions) {
        await condition.begin(collector);
        const times: number[] = [];
        while (times.length < pick(30, 150)) times.push(await timed());
        await condition.end(collector);
        notes[`get, collector ${condition.name}`] = middleAndMost(times);
        slowestReturn = Math.max(slowestReturn, await untilSpansCome(collector, timed));
      }
      const figures = await load.stop();
      const log = functions.get?.output() ?? '';
      Object.assign(figures.notes, notes, {
        'spans again after': `${Math.round(slowestReturn)} ms at most`,
        'log of get': operatorSees(
          log
            .split('\n')
            .filter((line) => !line.includes('"message":"request"'))
            .join('\n'),
        ),
      });
      return figures;
    } finally {
      await Promise.all(Object.values(functions).map((instance) => instance.stop()));
    }
  });
}

export const scenarios: Scenario[] = [
  { name: 'collector', breaks: 'collector of traces away, dark, slow, overloaded', run: onServer },
  { name: 'collector-functions', breaks: 'the same, below functions', run: inFunctions },
];
