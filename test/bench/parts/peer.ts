import { closeSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { eventFor } from '../../bundles/events.ts';
import { bundles } from '../../bundles/lambda.ts';
import { startServer } from '../../support/engines/server.ts';
import { type Bundled, bundle } from '../bundle.ts';
import { type BenchOptions, type Comparison, median, type Part, ratioOf, takeTurns } from '../part.ts';
import { type Sandbox, startSandbox } from '../sandbox.ts';
import { compareSides, once, type Side } from '../side.ts';
import { recordsJson } from '../values.ts';
import { timeStart } from './start.ts';

type Operation = 'get' | 'set';

/** The functions of the peer: their bundles, and what they check requests with. */
const PEERS = {
  get: { get: 'zod' },
  set: { 'set-zod': 'zod', 'set-ajv': '@middy/validator' },
} as const;

const anchorOf = (library: string) => `standard parts with ${library}`;

const KEY = 'user:4711:profile';
const VALUE = recordsJson(1000);
const HEADERS = { 'X-Tenant-ID': 'tenant_123' };
const OTHER_KEY = 'user:4712:profile';

const setOf = (body: string) => eventFor('set', { body, headers: HEADERS });

/** The events of the comparisons. */
const EVENTS = {
  get: {
    event: eventFor('get', { parameters: { key: KEY }, headers: HEADERS }),
    status: 200,
  },
  set: { event: setOf(`{"key":"${KEY}","value":${VALUE},"ttl":3600}`), status: 201 },
} satisfies Record<Operation, Omit<Side, 'sandbox'>>;

/** Other events to which both sides must respond alike. */
const AGREED: Record<Operation, Omit<Side, 'sandbox'>[]> = {
  get: [
    { event: eventFor('get', { parameters: { key: OTHER_KEY }, headers: HEADERS }), status: 200 },
    { event: eventFor('get', { parameters: { key: 'a\u0000' }, headers: HEADERS }), status: 400 },
    {
      event: eventFor('get', { parameters: { key: KEY }, headers: { 'X-Tenant-ID': '-' } }),
      status: 400,
    },
    { event: eventFor('get', { parameters: { key: KEY } }), status: 401 },
  ],
  set: [
    { event: setOf(`{"key":"","value":1}`), status: 400 },
    { event: setOf(`{"key":"${OTHER_KEY}"}`), status: 400 },
    { event: setOf(`{"key":"${OTHER_KEY}","value":1,"ttl":0.5}`), status: 400 },
    { event: setOf(`{"key":"${OTHER_KEY}","value":1,"ttl":2592001}`), status: 400 },
    { event: eventFor('set', { body: `{"key":"${KEY}","value":1}` }), status: 401 },
  ],
};

/** Number of requests whose log is measured. The length of a duration differs from line to line. */
const LOGGED = 20;

/** get and set beside the same functions written with middy's middlewares, Powertools and ioredis. */
export const peer: Part = {
  name: 'peer',
  async run(options) {
    const { outdir, bundles: ours } = await bundles();
    const files = Object.fromEntries(
      [...Object.keys(PEERS.get), ...Object.keys(PEERS.set)].map((name) => [name, `anchors/peer/${name}.ts`]),
    );
    // Without `keepNames`, which is esbuild's default. The bundles of this service set it.
    const theirs = await bundle({ starter: 'starter.ts', ...files }, { keepNames: false });
    const server = await startServer();
    const place = { ours: outdir, theirs, url: server.url };
    try {
      return [
        ...(await warm('get', place, 0.85, options)),
        ...(await warm('set', place, 0.95, options)),
        await cold(place, options),
        ...(await logged(place, options)),
        ...Object.entries({ ...PEERS.get, ...PEERS.set }).map(([name, library]) => {
          const operation = name === 'get' ? 'get' : 'set';
          return {
            what: `code that a cold start of ${operation} reads`,
            anchor: anchorOf(library),
            unit: 'bytes',
            ours: [ours.find((each) => each.name === operation)?.startBytes ?? 0],
            theirs: [theirs.bytes[name] ?? 0],
          };
        }),
      ];
    } finally {
      await server.stop();
      await theirs.remove();
    }
  },
};

/** Where both sides are. */
interface Place {
  /** Directory of our bundles. */
  ours: string;
  theirs: Bundled;
  /** URL of the backend. */
  url: string;
}

/**
 * Compares a warm operation with each of its peers.
 *
 * @param goal maximum ratio of the time to that of the faster peer
 */
async function warm(
  operation: Operation,
  { ours, theirs, url }: Place,
  goal: number,
  options: BenchOptions,
): Promise<Comparison[]> {
  const sandboxes: Sandbox[] = [];
  const side = async (name: string, outdir: string): Promise<Side> => {
    const sandbox = await startSandbox(name, outdir, url);
    sandboxes.push(sandbox);
    return { ...EVENTS[operation], sandbox };
  };
  try {
    const our = await side(operation, ours);
    if (operation === 'get') {
      // Store the entry that both gets read, each in its own format.
      await once({ ...(await side('set', ours)), ...EVENTS.set });
      await once({ ...(await side('set-zod', theirs.outdir)), ...EVENTS.set });
    }
    const measured: { time: Comparison; cpu: Comparison }[] = [];
    for (const [name, library] of Object.entries(PEERS[operation])) {
      const their = await side(name, theirs.outdir);
      await requireAgreement(operation, our, their);
      options.say(`${operation} beside ${anchorOf(library)}`);
      const { wall, cpu } = await compareSides(our, their, 200, options);
      const row = { anchor: anchorOf(library), unit: 'µs' };
      measured.push({
        time: { what: `warm ${operation} of 1 kB, time`, ...row, ...wall },
        cpu: { what: `warm ${operation} of 1 kB, CPU`, ...row, ...cpu },
      });
    }
    // By the ratios: a round compares both sides at the same time, but not the peers with each other.
    const highest = Math.max(...measured.map(({ time }) => ratioOf(time)));
    return measured.flatMap(({ time, cpu }) => [
      ratioOf(time) === highest ? { ...time, goal: { atMost: goal } } : time,
      cpu,
    ]);
  } finally {
    await Promise.all(sandboxes.map((sandbox) => sandbox.stop()));
  }
}

/** @throws Error unless both sides respond with the same status and data, and failures with the same code */
async function requireAgreement(operation: Operation, our: Side, their: Side): Promise<void> {
  for (const request of [EVENTS[operation], ...AGREED[operation]]) {
    const [ours, theirs] = await Promise.all(
      [our, their].map(async ({ sandbox }) => JSON.parse((await once({ sandbox, ...request })) ?? '')),
    );
    const agreed = isDeepStrictEqual(comparable(operation, ours), comparable(operation, theirs));
    if (!agreed) {
      throw new Error(`Different responses: ${JSON.stringify(ours)} and ${JSON.stringify(theirs)}`);
    }
  }
}

/** What must be equal in the bodies of two responses: the names of the members, the data, and the code of a failure. */
function comparable(operation: Operation, { data, error, ...rest }: Record<string, unknown>): unknown {
  // The entries of two gets were stored one after the other, so less of the time of one is left.
  const { ttl, ...constant } = { ttl: undefined, ...(data as object | undefined) };
  return {
    members: Object.keys(rest).sort(),
    data: operation === 'get' ? { ...constant, hasTtl: ttl !== undefined } : data,
    code: (error as { code: string } | undefined)?.code,
  };
}

/**
 * Compares cold starts of get, until the first response. The peer connects to the backend in the background, as ioredis does by default, so
 * its start alone would not include the connection.
 */
async function cold({ ours, theirs, url }: Place, { size, rounds, say }: BenchOptions): Promise<Comparison> {
  say('cold start of get');
  const starts = size === 'tiny' ? 1 : 15;
  const starter = join(theirs.outdir, 'starter.mjs');
  const turn = async (outdir: string) => {
    const times: number[] = [];
    while (times.length < starts) times.push((await timeStart(starter, 'get', outdir, url)).responded);
    return median(times);
  };
  // The first starts read files that are not in the system's cache.
  await turn(ours);
  await turn(theirs.outdir);
  const samples = await takeTurns(
    rounds,
    () => turn(ours),
    () => turn(theirs.outdir),
  );
  return {
    what: 'cold start of get, until the first response',
    anchor: anchorOf(PEERS.get.get),
    unit: 'ms',
    ...samples,
    goal: { atMost: 0.75 },
  };
}

/** Bytes of log per warm request. */
async function logged({ ours, theirs, url }: Place, { rounds }: BenchOptions): Promise<Comparison[]> {
  const file = join(theirs.outdir, 'log');
  const bytes = async (operation: Operation, name: string, outdir: string) => {
    const log = openSync(file, 'w');
    const sandbox = await startSandbox(name, outdir, url, {}, log);
    try {
      const side = { sandbox, ...EVENTS[operation] };
      // The first request of a process has additional members.
      await once(side);
      const before = fstatSync(log).size;
      for (let i = 0; i < LOGGED; i++) await once(side);
      return (fstatSync(log).size - before) / LOGGED;
    } finally {
      await sandbox.stop();
      closeSync(log);
    }
  };
  const comparisons: Comparison[] = [];
  for (const [operation, name] of [
    ['set', 'set-zod'],
    ['get', 'get'],
  ] as const) {
    const samples = await takeTurns(
      rounds,
      () => bytes(operation, operation, ours),
      () => bytes(operation, name, theirs.outdir),
    );
    comparisons.push({
      what: `log of a warm ${operation}`,
      anchor: 'standard parts',
      unit: 'bytes',
      ...samples,
      goal: { atMost: 1 },
    });
  }
  return comparisons;
}
