import { describe, expect, test } from 'vitest';
import { createRouter } from '../../infra/server/router.ts';
import { fallback, type Route, routes } from '../../lib/routes.ts';

const API = '/api/v1/cache';

describe('the routes of the service', () => {
  const route = createRouter(routes, fallback);

  test.each([
    ['GET', `${API}/user:1`, 'get', { key: 'user:1' }],
    ['DELETE', `${API}/user:1`, 'delete', { key: 'user:1' }],
    ['GET', API, 'get', undefined],
    ['DELETE', API, 'delete', undefined],
    ['POST', API, 'set', undefined],
    ['POST', `${API}/invalidate`, 'invalidate', undefined],
    ['GET', `${API}/tenant/acme`, 'usage', { tenant_id: 'acme' }],
    ['GET', `${API}/tenant/acme/keys`, 'keys', { tenant_id: 'acme' }],
    ['DELETE', `${API}/tenant/acme`, 'clear-tenant', { tenant_id: 'acme' }],
    ['GET', '/health', 'health', undefined],
  ])('%s %s is routed to %s', (method, path, name, pathParameters) => {
    expect(route(method, path)).toMatchObject({ name });
    expect(route(method, path).pathParameters).toEqual(pathParameters);
  });

  test('every route is selected by its own paths', () => {
    for (const { name, method, paths } of routes as readonly Route[]) {
      for (const path of paths) {
        const found = route(method, path.replaceAll(/\{\w+\}/g, 'x'));
        expect(found).toMatchObject({ name, routeKey: `${method} ${path}` });
      }
    }
  });

  test('HEAD is routed as GET, with a route key of its own', () => {
    expect(route('HEAD', '/health')).toEqual({ name: 'health', routeKey: 'HEAD /health' });
    expect(route('HEAD', `${API}/user:1`)).toEqual({
      name: 'get',
      routeKey: `HEAD ${API}/{key}`,
      pathParameters: { key: 'user:1' },
    });
  });

  test('a key may equal a literal path segment of another method', () => {
    expect(route('GET', `${API}/invalidate`)).toMatchObject({
      name: 'get',
      pathParameters: { key: 'invalidate' },
    });
    expect(route('DELETE', `${API}/tenant`)).toMatchObject({
      name: 'delete',
      pathParameters: { key: 'tenant' },
    });
  });

  test.each([
    ['a method that no route has', 'PUT', API],
    ['HEAD of a path without GET', 'HEAD', `${API}/invalidate/now`],
    ['OPTIONS', 'OPTIONS', API],
    ['a method in lower case', 'get', '/health'],
    ['a method of another route of the same path', 'POST', '/health'],
    ['a trailing slash', 'GET', '/health/'],
    ['an empty parameter', 'GET', `${API}/`],
    ['two segments for one parameter', 'GET', `${API}/a/b`],
    ['a trailing slash after a parameter', 'GET', `${API}/a/`],
    ['a doubled slash', 'GET', '/api/v1//cache'],
    ['other capitals', 'GET', '/Health'],
    ['the beginning of a path', 'GET', '/api'],
    ['more than a path', 'GET', '/health/live'],
    ['the root', 'GET', '/'],
    ['no path', 'OPTIONS', '*'],
    ['the name of an inherited member', 'constructor', 'constructor'],
  ])('%s is routed to the fallback', (_, method, path) => {
    expect(route(method, path)).toEqual({ name: 'not-found', routeKey: '$default' });
  });
});

describe('any route table', () => {
  const table: Route[] = [
    { name: 'any', method: 'ANY', paths: ['/things/{id}'], kind: 'read', tenant: false },
    { name: 'inner', method: 'GET', paths: ['/{kind}/{id}'], kind: 'read', tenant: false },
    {
      name: 'outer',
      method: 'GET',
      paths: ['/things/{id}/parts/{part}', '/things/{id}'],
      kind: 'read',
      tenant: false,
    },
    { name: 'literal', method: 'GET', paths: ['/things/new'], kind: 'read', tenant: false },
  ];
  const route = createRouter(table, fallback);

  test('a literal path has precedence over one with parameters', () => {
    expect(route('GET', '/things/new').name).toBe('literal');
  });

  test('a path with a later parameter has precedence over one with an earlier parameter', () => {
    expect(route('GET', '/things/7')).toMatchObject({ name: 'outer', pathParameters: { id: '7' } });
    expect(route('GET', '/parts/7')).toMatchObject({
      name: 'inner',
      pathParameters: { kind: 'parts', id: '7' },
    });
  });

  test('a path may have several parameters', () => {
    const { pathParameters } = route('GET', '/things/7/parts/8');
    expect(pathParameters).toEqual({ id: '7', part: '8' });
  });

  test('a route of the method has precedence over a route of any method', () => {
    expect(route('GET', '/things/7').name).toBe('outer');
    expect(route('PATCH', '/things/7')).toMatchObject({ name: 'any', routeKey: 'ANY /things/{id}' });
  });

  test('the order of the routes does not matter', () => {
    const reversed = createRouter(table.toReversed(), fallback);
    for (const path of ['/things/new', '/things/7', '/parts/7', '/things/7/parts/8', '/nothing']) {
      expect(reversed('GET', path)).toEqual(route('GET', path));
    }
  });
});
