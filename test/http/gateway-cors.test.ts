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

/** The headers of an answer by which a browser decides what a page may do. */
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

describe('with CORS_ORIGINS the local server', () => {
  test('answers a preflight request of these origins, without credentials, with what pages may send', async () => {
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

  test('lets pages of these origins read every answer, failures too, with the headers that they need', async () => {
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
        'access-control-expose-headers': 'retry-after,x-correlation-id,x-request-id',
      });
      expect(answer.headers.get('vary')).toMatch(/^origin(?:, accept-encoding)?$/);
    }
    expect(answers[1]?.headers.get('vary')).toBe('origin, accept-encoding');
  });

  test('tells pages of other origins nothing', async () => {
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

  test('lets all pages read its answers where one origin is *', async () => {
    const { url } = await start('*');
    const answer = await fetch(`${url}/health`, { headers: { Origin: OTHER } });
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(answer.headers.has('vary')).toBe(false);
    expect(corsOf(await preflight(`${url}${API}`, OTHER))).toMatchObject({
      'access-control-allow-origin': '*',
    });
  });

  test('answers OPTIONS that is no preflight request as it does without', async () => {
    const { port } = await start(PAGE);
    for (const headers of [[], ['Origin', PAGE], ['Access-Control-Request-Method', 'GET']]) {
      expect((await rawRequest(port, { method: 'OPTIONS', target: API, headers })).status).toBe(405);
    }
  });

  test('lets a page read why its body was too large', async () => {
    const { port } = await start(PAGE);
    const head = `POST ${API} HTTP/1.1\r\nHost: a\r\nOrigin: ${PAGE}\r\nContent-Length: 99999999\r\n`;
    const answer = await exchange(port, `${head}Connection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain(`\r\naccess-control-allow-origin: ${PAGE}\r\n`);
  });

  test('prints the origins', async () => {
    const { stdout } = await start(`${PAGE},https://a.example`);
    expect(stdout()).toContain(`\nCORS: ${PAGE}, https://a.example\n`);
  });
});

test('without CORS_ORIGINS the local server allows pages of no other origin', async () => {
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
