import assert from 'node:assert/strict';
import { routes } from '../../../lib/routes.ts';
import { hostileRequest } from '../generate/requests.ts';
import { COMMON_KEYS } from '../generate/text.ts';
import { read } from '../oracle/answer.ts';
import type { Rules } from '../oracle/judge.ts';
import { barrierOf, type HostileRequest } from '../oracle/request.ts';
import type { Serves } from '../oracle/routes.ts';
import type { Limits } from '../oracle/rules.ts';
import { KeptConnection } from '../wire/connection.ts';
import { Caller, type Outcome } from './caller.ts';
import { named, newName, withLease } from './names.ts';
import { assertSeries } from './property.ts';
import { Tally } from './tally.ts';

/** What the service under attack is started with: a value is soon too large. */
export const SETTINGS = { MAX_VALUE_BYTES: '16384' };

const LIMITS: Limits = { maxValueBytes: 16_384, maxTtlSeconds: 2_592_000, defaultTtlSeconds: 300 };

/** Whether the table of routes has a route, whatever it calls its parameters. */
const serves: Serves = (method, path) =>
  routes.some(
    (route) => route.method === method && route.paths.some((own) => own.replace(/\{\w+\}/g, '{}') === path),
  );

export const RULES: Rules = { limits: LIMITS, serves };

/** How many tenants ask at once, each on a connection of its own. */
const LANES = 4;

export interface Attack {
  port: number;
  /** How many series of requests, some 25 each. */
  series: number;
  seed: number;
}

/**
 * Attacks a service over HTTP with generated requests, and holds every answer, and what they have done, against the contract.
 *
 * @throws Error of fast-check, with the shortest series that fails, the seed and what was wrong
 */
export async function attackByRequests({ port, series, seed }: Attack): Promise<Outcome> {
  const outcome: Outcome = { tally: new Tally(), tenants: new Set() };
  const lanes = Array.from({ length: LANES }, (_, lane) =>
    attackInLane(port, { numRuns: Math.ceil(series / LANES), seed: seed + lane }, outcome),
  );
  // All of them come to their end, so that none goes on when the service is stopped.
  for (const result of await Promise.allSettled(lanes)) if (result.status === 'rejected') throw result.reason;
  return outcome;
}

async function attackInLane(port: number, parameters: { numRuns: number; seed: number }, outcome: Outcome) {
  const bystander = newName();
  const connection = new KeptConnection(port);
  const rules = { ...RULES, docs: true };
  const caller = new Caller((request) => connection.send(request), rules, outcome);
  const kept = await caller.fill(bystander, COMMON_KEYS);
  try {
    await assertSeries(
      hostileRequest,
      async (series) => {
        // What one series has broken on its connection does not fail another.
        connection.close();
        const own = newName();
        const mine = await caller.fill(own, COMMON_KEYS.slice(0, 4));
        for (const drafted of series) {
          const request = withLease(named(drafted, own, bystander), mine);
          if (barrierOf(request) === undefined) await caller.ask(request, mine);
          else await expectBarrier(connection, request, outcome.tally);
        }
        await caller.lookAt(mine);
        await caller.lookAt(kept);
      },
      parameters,
    );
  } finally {
    connection.close();
  }
}

/** Sends what the gateway answers by itself. */
async function expectBarrier(
  connection: KeptConnection,
  request: HostileRequest,
  tally: Tally,
): Promise<void> {
  const answer = await connection.send(request);
  assert.equal(answer.status, barrierOf(request));
  const told = request.method === 'HEAD' ? 'nothing' : read(answer, undefined);
  assert.ok(told === 'nothing' || 'refusal' in told);
  tally.count(
    answer,
    `${answer.status} VALIDATION_ERROR`,
    () => `${request.method} ${request.target.slice(0, 60)}`,
  );
}
