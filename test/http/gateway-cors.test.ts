import { afterEach, describe, expect, test } from 'vitest';
import { CORS } from '../../infra/cors.ts';
import { exchange, rawRequest } from './gateway-raw.ts';
import { type Service, startService } from './service.ts';

const API = '/api/v1/cache';
const PAGE = 'http://localhost:5173';
const OTHER = 'http://localhost:5174';
const TENANT = { 'X-Tenant-ID': 'acme' };

let service: Service | undefined;

afterEach(() => service?.stop());

async function start(CORS_ORIGINS: string): Promise<Service> {
  service = await startService({ CORS_ORIGINS });
  return service;
}

/** The CORS headers of a response. */
function corsOf({ headers }: Response): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-')));
}

const preflight = (url: string, origin: string, method = 'POST') =>
  fetch(url, {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': method,
      'Access-Control-Request-Headers': 'content-type,x-tenant-id',
    },
  });

describe('the local server with CORS_ORIGINS', () => {
  test('answers a preflight request of a listed origin with the allowed methods and headers, and without credentials', async () => {
    const { url } = await start(`${PAGE}, https://a.example`);
    for (const origin of [PAGE, 'https://a.example']) {
      const answer = await preflight(`${url}${API}`, origin);
      expect([answer.status, await answer.text()]).toEqual([204, '']);
      expect(corsOf(answer)).toEqual({
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'DELETE,GET,HEAD,POST',
        'access-control-allow-headers': CORS.requestHeaders.join(','),
        'access-control-max-age': '3600',
      });
      expect(answer.headers.get('vary')).toBe('origin');
    }
  });

  test('sends every response to a listed origin, including failures, with the CORS headers', async () => {
    const { url } = await start(PAGE);
    const body = JSON.stringify({ key: 'k', value: 'x'.repeat(2000) });
    const headers = { ...TENANT, Origin: PAGE, 'Content-Type': 'application/json' };
    const answers = [
      await fetch(`${url}${API}`, { method: 'POST', headers, body }),
      await fetch(`${url}${API}/k`, { headers }),
      await fetch(`${url}${API}/k`, { method: 'HEAD', headers }),
      await fetch(`${url}${API}/k`, { headers: { Origin: PAGE } }),
      await fetch(`${url}/nowhere`, { headers }),
      await fetch(`${url}/%FF`, { headers }),
      await fetch(`${url}/health`, { method: 'PUT', headers }),
      await fetch(`${url}/docs`, { headers }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([201, 200, 200, 401, 404, 400, 405, 200]);
    for (const answer of answers) {
      expect(corsOf(answer), answer.url).toEqual({
        'access-control-allow-origin': PAGE,
        'access-control-expose-headers':
          'ratelimit,ratelimit-policy,retry-after,x-correlation-id,x-request-id',
      });
      expect(answer.headers.get('vary')).toMatch(/^origin(?:, accept-encoding)?$/);
    }
    expect(answers[1]?.headers.get('vary')).toBe('origin, accept-encoding');
  });

  test('sends no CORS headers to an origin that is not listed', async () => {
    const { url } = await start(PAGE);
    for (const origin of [OTHER, `${PAGE}/`, PAGE.toUpperCase(), 'null', 'http://localhost']) {
      for (const answer of [
        await preflight(`${url}${API}`, origin),
        await fetch(`${url}/health`, { headers: { Origin: origin } }),
      ]) {
        expect(corsOf(answer), origin).toEqual({});
        expect(answer.headers.get('vary')).toBe('origin');
      }
    }
  });

  test('allows every origin if CORS_ORIGINS is *', async () => {
    const { url } = await start('*');
    const answer = await fetch(`${url}/health`, { headers: { Origin: OTHER } });
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(answer.headers.has('vary')).toBe(false);
    expect(corsOf(await preflight(`${url}${API}`, OTHER))).toMatchObject({
      'access-control-allow-origin': '*',
    });
  });

  test('answers an OPTIONS request that is not a preflight request with 405', async () => {
    const { port } = await start(PAGE);
    for (const headers of [[], ['Origin', PAGE], ['Access-Control-Request-Method', 'GET']]) {
      expect((await rawRequest(port, { method: 'OPTIONS', target: API, headers })).status).toBe(405);
    }
  });

  test('sends the 413 of a body that is too large with the CORS headers', async () => {
    const { port } = await start(PAGE);
    const head = `POST ${API} HTTP/1.1\r\nHost: a\r\nOrigin: ${PAGE}\r\nContent-Length: 99999999\r\n`;
    const answer = await exchange(port, `${head}Connection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain(`\r\naccess-control-allow-origin: ${PAGE}\r\n`);
  });

  test('prints the origins at its start', async () => {
    const { stdout } = await start(`${PAGE},https://a.example`);
    expect(stdout()).toContain(`\nCORS: ${PAGE}, https://a.example\n`);
  });
});

test('the local server without CORS_ORIGINS sends no CORS headers and answers a preflight request with 405', async () => {
  const { url, stdout } = await start('');
  for (const answer of [
    await preflight(`${url}${API}`, PAGE),
    await fetch(`${url}/health`, { headers: { Origin: PAGE } }),
  ]) {
    expect(corsOf(answer)).toEqual({});
    expect(answer.headers.has('vary')).toBe(false);
  }
  expect((await preflight(`${url}${API}`, PAGE)).status).toBe(405);
  expect(stdout()).not.toContain('CORS');
});
