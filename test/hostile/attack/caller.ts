import assert from 'node:assert/strict';
import { COMMON_TAGS } from '../generate/text.ts';
import { judge, LEASE_LOST, type Refusal, type Rules } from '../oracle/judge.ts';
import { checkStatus, Model } from '../oracle/model.ts';
import { type HostileRequest, type ParsedRequest, parseRequest } from '../oracle/request.ts';
import { type Content, type HttpResponse, parseContent } from '../oracle/response.ts';
import { Tally } from './tally.ts';

const API = '/api/v1/cache';

/** The result of an attack. */
export interface Outcome {
  tally: Tally;
  /** Every tenant that a request named. Only these tenants may have keys in the engine afterwards. */
  tenants: Set<string>;
}

/** Sends requests one after another, and checks each response against the contract. */
export class Caller {
  readonly #send: (request: HostileRequest, parsed: ParsedRequest) => Promise<HttpResponse>;
  readonly #rules: Rules;
  readonly #outcome: Outcome;
  readonly #claims: boolean;

  /** @param claims whether the tenant comes from a claim of the request's token */
  constructor(
    send: (request: HostileRequest, parsed: ParsedRequest) => Promise<HttpResponse>,
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
   * Sends a request and checks its response: the form, the status, the error code, and the data against the model.
   *
   * @param parsed the parsed request; differs from `parseRequest(request)` when a token carries the tenant
   */
  async ask(
    request: HostileRequest,
    model: Model,
    parsed = parseRequest(request),
    tally = this.#outcome.tally,
  ) {
    const { refusals, tolerated, operation, allow } = judge(parsed, this.#rules);
    const open = operation?.kind === 'health' || operation?.kind === 'openapi';
    const bodiless = request.method === 'HEAD';
    const from = Date.now();
    const response = await this.#send(request, parsed);
    const content = bodiless ? 'empty' : parseContent(response, parsed.headers, open);
    tally.count(response, refusalOf(content), () => `${request.method} ${request.target.slice(0, 60)}`);
    const refusal = refusalOf(content);
    const what = `${request.method} ${request.target}: ${JSON.stringify(response)}`;
    const wanted = refusals.join(' or ') || operation?.kind;
    assert.equal(response.headers.allow, allow, what);
    if (bodiless) {
      assert.equal(response.body, '', what);
      if (operation) checkStatus(operation, response);
      else
        assert.ok(
          refusals.some((one) => one.startsWith(`${response.status} `)),
          `${what}, not ${wanted}`,
        );
    } else if (refusal === LEASE_LOST) {
      assert.ok(operation?.kind === 'set', `${what}, not ${wanted}`);
      model.checkLost(operation, { from, until: Date.now() });
    } else if (refusal) assert.ok([...refusals, ...tolerated].includes(refusal), `${what}, not ${wanted}`);
    else {
      assert.ok(operation, `${what}, not ${wanted}`);
      model.check(operation, response, content, { from, until: Date.now() });
    }
    for (const tenant of model.tenants()) this.#outcome.tenants.add(tenant);
  }

  /** Stores entries for a tenant, so that a later check can detect their loss. */
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

  /** Reads every key in the model and checks the response. */
  async checkEntries(model: Model): Promise<void> {
    for (const tenant of model.tenants()) {
      for (const key of model.keys(tenant)) {
        const target = `${API}?key=${encodeURIComponent(key)}`;
        await this.#askAs(tenant, { method: 'GET', target, headers: [] }, model);
      }
    }
  }

  /** Sends a request that is not part of the attack and therefore is not counted. */
  #askAs(tenant: string, request: HostileRequest, model: Model): Promise<void> {
    const whole: HostileRequest = { ...request, headers: [['X-Tenant-ID', tenant], ...request.headers] };
    const parsed = this.#claims ? { ...parseRequest(whole), claim: { tenant } } : parseRequest(whole);
    return this.ask(whole, model, parsed, new Tally());
  }
}

function refusalOf(content: Content): Refusal | undefined {
  return content !== 'empty' && 'refusal' in content ? content.refusal : undefined;
}
