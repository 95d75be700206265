import assert from 'node:assert/strict';
import { COMMON_TAGS } from '../generate/text.ts';
import { type Answer, read, type Told } from '../oracle/answer.ts';
import { judge, LEASE_LOST, type Refusal, type Rules } from '../oracle/judge.ts';
import { checkStatus, Model } from '../oracle/model.ts';
import { type HostileRequest, type Meaning, meaningOf } from '../oracle/request.ts';
import { Tally } from './tally.ts';

const API = '/api/v1/cache';

/** What an attack has done. */
export interface Outcome {
  tally: Tally;
  /** Every tenant in whose name anything was asked: only they may have left anything behind. */
  tenants: Set<string>;
}

/** Sends requests one after the other, and holds each answer against the contract. */
export class Caller {
  readonly #send: (request: HostileRequest, meaning: Meaning) => Promise<Answer>;
  readonly #rules: Rules;
  readonly #outcome: Outcome;
  readonly #claims: boolean;

  /** @param claims whether requests bring a token that names the tenant */
  constructor(
    send: (request: HostileRequest, meaning: Meaning) => Promise<Answer>,
    rules: Rules,
    outcome: Outcome,
    claims = false,
  ) {
    this.#send = send;
    this.#rules = rules;
    this.#outcome = outcome;
    this.#claims = claims;
  }

  /**
   * Sends a request and checks its answer: the form, the status and the code, and what it says by what a model knows.
   *
   * @param meaning what the request says, if that is more than can be read in it
   */
  async ask(
    request: HostileRequest,
    model: Model,
    meaning = meaningOf(request),
    tally = this.#outcome.tally,
  ) {
    const { refusals, tolerated, operation, allow } = judge(meaning, this.#rules);
    const open = operation?.kind === 'health' || operation?.kind === 'openapi';
    const bodiless = request.method === 'HEAD';
    const from = Date.now();
    const answer = await this.#send(request, meaning);
    const told = bodiless ? 'nothing' : read(answer, meaning.headers, open);
    tally.count(answer, refusalOf(told), () => `${request.method} ${request.target.slice(0, 60)}`);
    const refusal = refusalOf(told);
    const what = `${request.method} ${request.target}: ${JSON.stringify(answer)}`;
    const wanted = refusals.join(' or ') || operation?.kind;
    assert.equal(answer.headers.allow, allow, what);
    if (bodiless) {
      assert.equal(answer.body, '', what);
      if (operation) checkStatus(operation, answer);
      else
        assert.ok(
          refusals.some((one) => one.startsWith(`${answer.status} `)),
          `${what}, not ${wanted}`,
        );
    } else if (refusal === LEASE_LOST) {
      assert.ok(operation?.kind === 'set', `${what}, not ${wanted}`);
      model.checkLost(operation, { from, until: Date.now() });
    } else if (refusal) assert.ok([...refusals, ...tolerated].includes(refusal), `${what}, not ${wanted}`);
    else {
      assert.ok(operation, `${what}, not ${wanted}`);
      model.check(operation, answer, told, { from, until: Date.now() });
    }
    for (const tenant of model.tenants()) this.#outcome.tenants.add(tenant);
  }

  /** Gives a tenant entries to lose. */
  async fill(tenant: string, keys: readonly string[]): Promise<Model> {
    const model = new Model();
    for (const [index, key] of keys.entries()) {
      const tags = [COMMON_TAGS[index % 3]];
      const body = Buffer.from(JSON.stringify({ key, value: { of: tenant, key }, ttl: 3600, tags }));
      const headers: [string, string][] = [['Content-Type', 'application/json']];
      const request = { method: 'POST', target: API, headers, body: body.toString('latin1') };
      await this.#askAs(tenant, request, model);
    }
    return model;
  }

  /** Reads every key that a model knows of. */
  async lookAt(model: Model): Promise<void> {
    for (const tenant of model.tenants()) {
      for (const key of model.keys(tenant)) {
        const target = `${API}?key=${encodeURIComponent(key)}`;
        await this.#askAs(tenant, { method: 'GET', target, headers: [] }, model);
      }
    }
  }

  /** Asks what is no part of the attack, and so is not counted. */
  #askAs(tenant: string, request: HostileRequest, model: Model): Promise<void> {
    const whole: HostileRequest = { ...request, headers: [['X-Tenant-ID', tenant], ...request.headers] };
    const meaning = this.#claims ? { ...meaningOf(whole), claim: { tenant } } : meaningOf(whole);
    return this.ask(whole, model, meaning, new Tally());
  }
}

function refusalOf(told: Told): Refusal | undefined {
  return told !== 'nothing' && 'refusal' in told ? told.refusal : undefined;
}
