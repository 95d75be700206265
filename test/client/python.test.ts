import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Outgoing, sigV4 } from '../../lib/client/index.ts';
import { type Service, startService } from '../http/service.ts';
import { writeCertificates } from '../support/engines/certificates.ts';
import { needs } from '../support/engines/needs.ts';
import { numRuns } from '../support/long-run.ts';
import { ROOT, read } from '../support/markdown.ts';
import { runPython } from './python.ts';

const TESTS = join(ROOT, 'test', 'client', 'python');

describe('the Python client', { timeout: 400_000 }, () => {
  needs('python');

  let service: Service;
  let certificates: string;
  beforeAll(async () => {
    service = await startService();
    certificates = await mkdtemp(join(tmpdir(), 'cache-python-'));
    await writeCertificates(certificates);
  });
  afterAll(async () => {
    await service.stop();
    await rm(certificates, { recursive: true });
  });

  const files = readdirSync(TESTS).filter((name) => name.startsWith('test_'));
  test.concurrent.each(files)('passes %s on the service', async (name) => {
    const env = { CACHE_URL: service.url, CACHE_CERTIFICATES: certificates };
    const { code, stderr } = await runPython(['-m', 'unittest', name], env, TESTS);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^Ran [1-9]\d* tests/m);
  });

  test('signs requests as the TypeScript client does', async () => {
    const odd = fc.string({
      unit: fc.constantFrom(...` !"#$%&'()*+,-./:;<=>?@[]^_\`{|}~aZ0é漢🔑`),
      maxLength: 20,
    });
    const request = fc.record({
      method: fc.constantFrom('GET', 'POST', 'DELETE'),
      url: fc
        .tuple(fc.constantFrom('', '/prod', "/a'(b)*!", '/a//b', '/%C3%A9/~x-._'), odd, odd)
        .map(
          ([path, key, tag]) =>
            `https://example.com:8443${path}/api/v1/cache?key=${encodeURIComponent(key)}&tag=${encodeURIComponent(tag)}`,
        ),
      headers: fc.record({
        'x-tenant-id': fc.constant('t'),
        'x-user-id': fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/),
        'x-amz-meta': fc.constant(' a  b '),
        traceparent: fc.constant('00-1'),
      }),
      body: odd,
    });
    const requests: Outgoing[] = fc.sample(request, numRuns(200));
    const sign = sigV4({
      region: 'eu-central-1',
      credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', sessionToken: 'session' },
      now: () => Date.UTC(2015, 7, 30, 12, 36),
    });
    const script = `
import json, os
from cache_service import Credentials, Outgoing, SigV4
sign = SigV4(region='eu-central-1', credentials=Credentials('AKIDEXAMPLE', 'secret', 'session'), now=lambda: 1440938160)
requests = json.loads(os.environ['REQUESTS'])
print(json.dumps([sign(Outgoing(r['method'], r['url'], r['headers'], r['body'].encode())) for r in requests]))
`;
    const { stdout, stderr } = await runPython(['-c', script], { REQUESTS: JSON.stringify(requests) });
    expect(JSON.parse(stdout), stderr).toEqual(await Promise.all(requests.map(sign)));
  });
});

test('the Python package has the version of the repository', () => {
  const { version } = JSON.parse(read('package.json'));
  expect(read('lib/client/python/pyproject.toml')).toContain(`\nversion = "${version}"\n`);
});
