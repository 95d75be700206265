import { describe, expect, test } from 'vitest';
import { API, type Client, dataOf, describeOnBackends, detailsOf } from '../http/client.ts';

const LIMITS = {
  TENANT_MAX_ENTRIES: '160',
  TENANT_MAX_BYTES: '16MiB',
  TENANT_MAX_REQUESTS_PER_SECOND: '2',
  TENANT_REQUEST_BURST: '60',
  TENANT_SWEEP_WEIGHT: '20',
  TENANT_LIMITS: '{"rich": {"entries": null, "bytes": "2GiB", "rps": 500}, "free": {"rps": null}}',
};

/** Sends a request until it is rejected. @returns the rejection, and how many were accepted */
async function untilRejected(send: () => ReturnType<Client['get']>) {
  for (let accepted = 0; ; accepted++) {
    const answer = await send();
    if (answer.status === 429) return { answer, accepted };
    expect(answer.status).toBeLessThan(300);
  }
}

describeOnBackends('limits of tenants', LIMITS, (connect) => {
  const usage = (client: Client) => client.send({ target: `${API}/tenant/${client.tenant}` });

  test('a tenant gets 429 above its rate, with the time to wait, and another tenant does not', async () => {
    const client = connect();
    const first = await client.get('k');
    expect(first.headers['ratelimit-policy']).toBe('"tenant";q=60;w=30');
    expect(first.headers.ratelimit).toBe('"tenant";r=59;t=1');
    const { answer, accepted } = await untilRejected(() => client.get('k'));
    expect(accepted).toBeGreaterThanOrEqual(59);
    const { retry_after_ms } = detailsOf(answer, 429, 'TENANT_RATE_LIMITED');
    expect(retry_after_ms).toBeGreaterThan(0);
    expect(retry_after_ms).toBeLessThanOrEqual(500);
    expect(answer.headers['retry-after']).toBe('1');
    expect(answer.headers.ratelimit).toMatch(/^"tenant";r=0;t=(29|30)$/);
    dataOf(await connect().get('k'), 200);
  });

  test('a set that gets 429 writes nothing', async () => {
    const client = connect();
    let number = 0;
    await untilRejected(() => client.set('k', String(++number)));
    await expect
      .poll(async () => (await client.get('k')).status, { timeout: 20_000, interval: 300 })
      .toBe(200);
    await expect
      .poll(
        async () => client.get('k').then((answer) => answer.status === 200 && dataOf(answer, 200).value),
        {
          timeout: 20_000,
          interval: 700,
        },
      )
      .toBe(number - 1);
  });

  test('an invalidation and a clear count as several requests', async () => {
    const client = connect();
    const { accepted } = await untilRejected(() => client.invalidate({ pattern: 'x*' }));
    expect(accepted).toBeGreaterThanOrEqual(3);
    // Each ten seconds allow one more.
    expect(accepted).toBeLessThan(8);
  });

  test('an invalid request does not count', async () => {
    const client = connect();
    for (let i = 0; i < 70; i++) expect((await client.post('{"key":""}')).status).toBe(400);
    expect((await client.get('k')).headers.ratelimit).toBe('"tenant";r=59;t=1');
  });

  test('the usage contains the limits of the tenant', async () => {
    expect(dataOf(await usage(connect()), 200).limits).toEqual({
      entries: 160,
      bytes: 16 * 1024 ** 2,
      requests_per_second: 2,
      burst: 60,
    });
    expect(dataOf(await usage(connect('rich')), 200).limits).toEqual({
      entries: null,
      bytes: 2 * 1024 ** 3,
      requests_per_second: 500,
      burst: 1000,
    });
    expect(dataOf(await usage(connect('free')), 200).limits).toMatchObject({
      entries: 160,
      requests_per_second: null,
      burst: null,
    });
  });

  test('a tenant above its limit of entries keeps as many', async () => {
    const client = connect('free');
    const items = Array.from({ length: 100 }, (_, i) => ({ value: i, ttl: 100 + i }));
    for (let round = 0; round < 5; round++) {
      const body = JSON.stringify({
        items: items.map((item, index) => ({ ...item, key: `${round}:${index}` })),
      });
      dataOf(await client.send({ method: 'POST', target: `${API}/batch/set`, body }), 201);
    }
    const { entries } = dataOf(await usage(client), 200);
    expect(entries).toBeLessThanOrEqual(168);
    expect(entries).toBeGreaterThanOrEqual(140);
    await client.clear();
  });
});

describe('without limits', () => {
  describeOnBackends('a response', {}, (connect) => {
    test('has no RateLimit headers, and the usage no limits', async () => {
      const client = connect();
      const answer = await client.send({ target: `${API}/tenant/${client.tenant}` });
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('ratelimit'))).toEqual([]);
      const none = { entries: null, bytes: null, requests_per_second: null, burst: null };
      expect(dataOf(answer, 200).limits).toEqual(none);
    });
  });
});
