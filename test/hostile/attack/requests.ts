import assert from 'node:assert/strict';
import { routes } from '../../../lib/routes.ts';
import { hostileRequest } from '../generate/requests.ts';
import { COMMON_KEYS } from '../generate/text.ts';
import type { Rules } from '../oracle/judge.ts';
import { gatewayRejectionOf, type HostileRequest } from '../oracle/request.ts';
import { parseContent } from '../oracle/response.ts';
import type { HasRoute } from '../oracle/routes.ts';
import type { Limits } from '../oracle/rules.ts';
import { KeepAliveConnection } from '../wire/connection.ts';
import { Caller, type Outcome } from './caller.ts';
import { newTenantName, withLease, withTenants } from './names.ts';
import { assertSeries } from './property.ts';
import { Tally } from './tally.ts';

/** Environment of the service under attack. The low limit makes generated values exceed it often. */
export const SETTINGS = { MAX_VALUE_BYTES: '16384' };

const LIMITS: Limits = { maxValueBytes: 16_384, maxTtlSeconds: 2_592_000, defaultTtlSeconds: 300 };

/** Whether the service has a route. Names of path parameters are ignored. */
const hasRoute: HasRoute = (method, path) =>
  routes.some(
    (route) => route.method === method && route.paths.some((own) => own.replace(/\{\w+\}/g, '{}') === path),
  );

export const RULES: Rules = { limits: LIMITS, hasRoute };

/** Number of concurrent workers. Each has its own tenants and its own connection. */
const WORKERS = 4;

export interface Attack {
  port: number;
  /** Number of series. A series has 25 requests on average. */
  series: number;
  seed: number;
}

/**
 * Sends generated requests to a service over HTTP, and checks every response and the stored entries against the contract.
 *
 * @throws Error from fast-check with the shortest failing series, the seed and the failed check
 */
export async function attackByRequests({ port, series, seed }: Attack): Promise<Outcome> {
  const outcome: Outcome = { tally: new Tally(), tenants: new Set() };
  const workers = Array.from({ length: WORKERS }, (_, worker) =>
    attackAsWorker(port, { numRuns: Math.ceil(series / WORKERS), seed: seed + worker }, outcome),
  );
  // Wait for all workers, also after a failure, so that none is still running when the service is stopped.
  for (const result of await Promise.allSettled(workers))
    if (result.status === 'rejected') throw result.reason;
  return outcome;
}

async function attackAsWorker(port: number, parameters: { numRuns: number; seed: number }, outcome: Outcome) {
  const bystander = newTenantName();
  const connection = new KeepAliveConnection(port);
  const rules = { ...RULES, docs: true };
  const caller = new Caller((request) => connection.send(request), rules, outcome);
  const bystanderModel = await caller.fill(bystander, COMMON_KEYS);
  try {
    await assertSeries(
      hostileRequest,
      async (series) => {
        // A new connection per series: a connection that one series broke must not fail the next one.
        connection.close();
        const own = newTenantName();
        const ownModel = await caller.fill(own, COMMON_KEYS.slice(0, 4));
        for (const template of series) {
          const request = withLease(withTenants(template, own, bystander), ownModel);
          if (gatewayRejectionOf(request) === undefined) await caller.ask(request, ownModel);
          else await expectGatewayRejection(connection, request, outcome.tally);
        }
        await caller.checkEntries(ownModel);
        await caller.checkEntries(bystanderModel);
      },
      parameters,
    );
  } finally {
    connection.close();
  }
}

/** Sends a request that the gateway rejects by itself, and checks the status. */
async function expectGatewayRejection(
  connection: KeepAliveConnection,
  request: HostileRequest,
  tally: Tally,
): Promise<void> {
  const response = await connection.send(request);
  assert.equal(response.status, gatewayRejectionOf(request));
  const content = request.method === 'HEAD' ? 'empty' : parseContent(response, undefined);
  assert.ok(content === 'empty' || 'refusal' in content);
  tally.count(
    response,
    `${response.status} VALIDATION_ERROR`,
    () => `${request.method} ${request.target.slice(0, 60)}`,
  );
}
