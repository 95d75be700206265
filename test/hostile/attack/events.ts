import fc from 'fast-check';
import { startServer } from '../../support/engines/server.ts';
import { CLAIM, claim, damaged, damages, NO_EVENTS } from '../generate/events.ts';
import { hostileRequest } from '../generate/requests.ts';
import { COMMON_KEYS } from '../generate/text.ts';
import {
  gatewayRejectionOf,
  type HostileRequest,
  type ParsedRequest,
  parseRequest,
} from '../oracle/request.ts';
import { checkAndLabel } from './bytes.ts';
import { Caller, type Outcome } from './caller.ts';
import { checkEngine } from './engine.ts';
import { eventOf, Functions } from './functions.ts';
import { newTenantName, withLease, withTenants } from './names.ts';
import { assertSeries } from './property.ts';
import { RULES, SETTINGS } from './requests.ts';
import { Tally } from './tally.ts';

/** The functions to attack, and how. */
export interface EventAttack {
  functions: Functions;
  /** Whether the functions read the tenant from a token's claim. */
  claims: boolean;
  /** Number of series. A series has 25 events on average. */
  series: number;
  seed: number;
}

/**
 * Invokes functions with events that API Gateway could send, and checks every response and the stored entries against the
 * contract.
 *
 * @throws Error from fast-check if a check fails
 */
export async function attackByEvents({ functions, claims, series, seed }: EventAttack): Promise<Outcome> {
  const outcome: Outcome = { tally: new Tally(), tenants: new Set() };
  const bystander = newTenantName();
  let base64 = false;
  const send = (_request: HostileRequest, parsed: ParsedRequest) => {
    const { name, event } = eventOf(parsed, base64);
    return functions.invoke(name, event);
  };
  const caller = new Caller(send, RULES, outcome, claims);
  const bystanderModel = await caller.fill(bystander, COMMON_KEYS.slice(0, 3));
  await assertSeries(
    fc.tuple(deliverable, claim, fc.boolean()),
    async (events) => {
      const own = newTenantName();
      const ownModel = await caller.fill(own, COMMON_KEYS.slice(0, 3));
      for (const [template, token, encoded] of withTenants(events, own, bystander)) {
        base64 = encoded;
        const request = withLease(template, ownModel);
        const parsed = parseRequest(request);
        await caller.ask(request, ownModel, claims ? { ...parsed, claim: { tenant: token } } : parsed);
      }
      await caller.checkEntries(ownModel);
      await caller.checkEntries(bystanderModel);
    },
    { numRuns: series, seed },
  );
  return outcome;
}

/**
 * Invokes functions with malformed events, which API Gateway never sends. The functions must still respond, and a bystander
 * tenant must keep its entries.
 *
 * @throws Error from fast-check if a check fails
 */
export async function attackByBrokenEvents({
  functions,
  claims,
  series,
  seed,
}: EventAttack): Promise<Outcome> {
  const outcome: Outcome = { tally: new Tally(), tenants: new Set() };
  const { tally } = outcome;
  const bystander = newTenantName();
  const caller = new Caller(
    (_request, parsed) => {
      const { name, event } = eventOf(parsed, false);
      return functions.invoke(name, event);
    },
    RULES,
    outcome,
    claims,
  );
  const bystanderModel = await caller.fill(bystander, COMMON_KEYS.slice(0, 3));
  await assertSeries(
    // The check does not know the request and recognises a response by its body. A response to HEAD has none.
    fc.tuple(
      deliverable.filter(({ method }) => method !== 'HEAD'),
      damages,
    ),
    async (events) => {
      const own = newTenantName();
      for (const [request, harm] of withTenants(events, own, bystander)) {
        const parsed = parseRequest(request);
        const { name, event } = eventOf(claims ? { ...parsed, claim: { tenant: own } } : parsed, false);
        const response = await functions.invoke(name, damaged(event, harm));
        tally.count(response, checkAndLabel(response), () => `${name} ${JSON.stringify(harm).slice(0, 60)}`);
      }
      await caller.checkEntries(bystanderModel);
    },
    { numRuns: series, seed },
  );
  for (const name of functions.names()) {
    for (const event of NO_EVENTS) {
      const response = await functions.invoke(name, event);
      tally.count(response, checkAndLabel(response), () => `${name} ${JSON.stringify(event)}`);
    }
  }
  await caller.checkEntries(bystanderModel);
  return outcome;
}

/** Requests that the gateway accepts and passes on. */
const deliverable = hostileRequest.filter(
  (request) => gatewayRejectionOf(request) === undefined && parseRequest(request).path !== undefined,
);

/** Runs both attacks on functions that share a new server, and checks the keys in that server. */
export async function attackFunctions({
  claims,
  series,
  seed,
}: Omit<EventAttack, 'functions'>): Promise<Tally> {
  const server = await startServer();
  try {
    const functions = await Functions.start({
      ...SETTINGS,
      DRAGONFLY_URL: server.url,
      ...(claims && { TENANT_CLAIM: CLAIM }),
    });
    try {
      const attack = { functions, claims, series, seed };
      const { tally, tenants } = await attackByEvents(attack);
      await checkEngine(server, tenants);
      tally.add((await attackByBrokenEvents(attack)).tally);
      return tally;
    } finally {
      await functions.stop();
    }
  } finally {
    await server.stop();
  }
}
