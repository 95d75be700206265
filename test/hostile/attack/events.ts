import fc from 'fast-check';
import { startServer } from '../../support/engines/server.ts';
import { CLAIM, claim, damaged, damages, NO_EVENTS } from '../generate/events.ts';
import { hostileRequest } from '../generate/requests.ts';
import { COMMON_KEYS } from '../generate/text.ts';
import { barrierOf, type HostileRequest, type Meaning, meaningOf } from '../oracle/request.ts';
import { outcomeOf } from './bytes.ts';
import { Caller, type Outcome } from './caller.ts';
import { checkEngine } from './engine.ts';
import { eventOf, Functions } from './functions.ts';
import { named, newName, withLease } from './names.ts';
import { assertSeries } from './property.ts';
import { RULES, SETTINGS } from './requests.ts';
import { Tally } from './tally.ts';

/** Functions to attack by events. */
export interface EventAttack {
  functions: Functions;
  /** Whether they take the tenant from a token's claim. */
  claims: boolean;
  /** How many series of some 25 events. */
  series: number;
  seed: number;
}

/**
 * Attacks functions with events that API Gateway could hand them, and holds every answer, and what they have done, against the
 * contract.
 *
 * @throws Error of fast-check
 */
export async function attackByEvents({ functions, claims, series, seed }: EventAttack): Promise<Outcome> {
  const outcome: Outcome = { tally: new Tally(), tenants: new Set() };
  const bystander = newName();
  let base64 = false;
  const send = (_request: HostileRequest, meaning: Meaning) => {
    const { name, event } = eventOf(meaning, base64);
    return functions.invoke(name, event);
  };
  const caller = new Caller(send, RULES, outcome, claims);
  const kept = await caller.fill(bystander, COMMON_KEYS.slice(0, 3));
  await assertSeries(
    fc.tuple(deliverable, claim, fc.boolean()),
    async (events) => {
      const own = newName();
      const mine = await caller.fill(own, COMMON_KEYS.slice(0, 3));
      for (const [drafted, token, encoded] of named(events, own, bystander)) {
        base64 = encoded;
        const request = withLease(drafted, mine);
        const meaning = meaningOf(request);
        await caller.ask(request, mine, claims ? { ...meaning, claim: { tenant: token } } : meaning);
      }
      await caller.lookAt(mine);
      await caller.lookAt(kept);
    },
    { numRuns: series, seed },
  );
  return outcome;
}

/**
 * Attacks functions with events that nobody should hand them: they answer all the same, and a bystander keeps what it has.
 *
 * @throws Error of fast-check
 */
export async function attackByBrokenEvents({
  functions,
  claims,
  series,
  seed,
}: EventAttack): Promise<Outcome> {
  const outcome: Outcome = { tally: new Tally(), tenants: new Set() };
  const { tally } = outcome;
  const bystander = newName();
  const caller = new Caller(
    (_request, meaning) => {
      const { name, event } = eventOf(meaning, false);
      return functions.invoke(name, event);
    },
    RULES,
    outcome,
    claims,
  );
  const kept = await caller.fill(bystander, COMMON_KEYS.slice(0, 3));
  await assertSeries(
    // What is answered is checked without the request, and so by its body.
    fc.tuple(
      deliverable.filter(({ method }) => method !== 'HEAD'),
      damages,
    ),
    async (events) => {
      const own = newName();
      for (const [request, harm] of named(events, own, bystander)) {
        const meaning = meaningOf(request);
        const { name, event } = eventOf(claims ? { ...meaning, claim: { tenant: own } } : meaning, false);
        const answer = await functions.invoke(name, damaged(event, harm));
        tally.count(answer, outcomeOf(answer), () => `${name} ${JSON.stringify(harm).slice(0, 60)}`);
      }
      await caller.lookAt(kept);
    },
    { numRuns: series, seed },
  );
  for (const name of functions.names()) {
    for (const event of NO_EVENTS) {
      const answer = await functions.invoke(name, event);
      tally.count(answer, outcomeOf(answer), () => `${name} ${JSON.stringify(event)}`);
    }
  }
  await caller.lookAt(kept);
  return outcome;
}

/** What gets past the gateway. */
const deliverable = hostileRequest.filter(
  (request) => barrierOf(request) === undefined && meaningOf(request).path !== undefined,
);

/** Attacks functions by both kinds of events, on a server of their own, and looks at what they leave behind. */
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
