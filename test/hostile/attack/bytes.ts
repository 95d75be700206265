import { hostileBytes } from '../generate/bytes.ts';
import { COMMON_KEYS } from '../generate/text.ts';
import { type HttpResponse, parseContent } from '../oracle/response.ts';
import { KeepAliveConnection } from '../wire/connection.ts';
import { sendBytes } from '../wire/send-bytes.ts';
import { Caller, type Outcome } from './caller.ts';
import { newTenantName, withTenants } from './names.ts';
import { assertSeries } from './property.ts';
import { type Attack, RULES } from './requests.ts';
import { Tally } from './tally.ts';

/**
 * Sends raw bytes to a service, many of them not valid HTTP. Every response must have the form that the contract defines, and a
 * bystander tenant, which no request names, must keep its entries.
 *
 * @throws Error from fast-check if a check fails
 */
export async function attackByBytes({ port, series, seed }: Attack): Promise<Outcome> {
  const outcome: Outcome = { tally: new Tally(), tenants: new Set() };
  const bystander = newTenantName();
  const connection = new KeepAliveConnection(port);
  const caller = new Caller((request) => connection.send(request), RULES, outcome);
  const bystanderModel = await caller.fill(bystander, COMMON_KEYS);
  try {
    await assertSeries(
      hostileBytes,
      async (volley) => {
        const own = newTenantName();
        const shots = volley.map((bytes) => Buffer.from(withTenants(bytes, own, bystander), 'latin1'));
        const responses = await Promise.all(shots.map((bytes) => sendBytes(port, bytes)));
        for (const [index, given] of responses.entries())
          countResponses(given, outcome.tally, volley[index] as string);
        await caller.checkEntries(bystanderModel);
      },
      { numRuns: series, seed },
    );
  } finally {
    connection.close();
  }
  return outcome;
}

function countResponses(responses: HttpResponse[], tally: Tally, bytes: string): void {
  if (responses.length === 0) tally.count({ status: 0, ms: 0 }, 'no response', () => '');
  for (const response of responses)
    tally.count(response, checkAndLabel(response), () => JSON.stringify(bytes.slice(0, 60)));
}

/** Checks the form of a response to an unknown request, and returns a short label: the error, the endpoint or the status. */
export function checkAndLabel(response: HttpResponse): string {
  const { status, openapi } = response.status === 200 ? JSON.parse(response.body) : {};
  const open = status === 'healthy' ? 'health' : openapi === undefined ? undefined : 'openapi';
  const content = parseContent(response, undefined, open !== undefined);
  if (open) return open;
  return content !== 'empty' && 'refusal' in content ? content.refusal : String(response.status);
}
