import { test } from 'vitest';
import { API, describedRequest, describeOnEveryBackend, detailsOf } from './client.ts';

describeOnEveryBackend('a request that no route takes', {}, (connect) => {
  test.each([
    ['GET', '/'],
    ['GET', '/api'],
    ['GET', '/api/v1'],
    ['GET', `${API}/`],
    ['GET', `${API}//`],
    ['GET', '/API/v1/cache?key=a'],
    ['GET', '/api/v2/cache?key=a'],
    ['PUT', API],
    ['PATCH', API],
    ['OPTIONS', API],
    ['POST', `${API}/k`],
    ['PUT', `${API}/k`],
    ['GET', `${API}/a/b`],
    ['DELETE', `${API}/a/b`],
    ['GET', `${API}/tenant/`],
    ['GET', `${API}/tenant/a/b`],
    ['POST', `${API}/tenant/a`],
    ['DELETE', `${API}/tenant/`],
    ['DELETE', `${API}/tenant/a/b`],
    ['PUT', `${API}/invalidate`],
    ['POST', '/health'],
    ['DELETE', '/health'],
    ['GET', '/health/'],
    ['GET', '/healthy'],
    ['POST', '/openapi.json'],
    ['GET', '/openapi'],
  ])('is answered with 404: %s %s', async (method, target) => {
    const body = method.startsWith('P') ? '{"key":"k","value":1}' : undefined;
    const answer = await connect().send({ method, target, body });
    detailsOf(answer, 404, 'NOT_FOUND');
  });

  test('needs no tenant where the API does not lie', async () => {
    detailsOf(await describedRequest(connect().port, { target: '/nowhere' }), 404, 'NOT_FOUND');
  });
});
