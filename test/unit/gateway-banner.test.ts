import { describe, expect, test } from 'vitest';
import { banner, describeBackend } from '../../infra/server/banner.ts';
import { explainBackend, explainStart } from '../../infra/server/explain.ts';
import { readConfig } from '../../lib/config/config.ts';
import { BackendUnavailableError } from '../../lib/errors.ts';
import { routes } from '../../lib/routes.ts';

const describing = (url: string) => describeBackend(readConfig({ DRAGONFLY_URL: url }));

describe('the description of the backend', () => {
  test('is the memory store with its limit if DRAGONFLY_URL is not set', () => {
    const withMemory = (MEMORY_MAX_BYTES: string) => describeBackend(readConfig({ MEMORY_MAX_BYTES }));
    expect(withMemory('4096')).toBe('in memory, at most 4096 bytes (DRAGONFLY_URL is not set)');
    expect(withMemory('')).toBe('in memory, at most 256 MiB (DRAGONFLY_URL is not set)');
  });

  test('contains its host, port and database', () => {
    expect(describing('dragonfly://cache.internal')).toBe('dragonfly at cache.internal:6379 (database 0)');
    expect(describing('redis://[::1]:7000/3')).toBe('dragonfly at [::1]:7000 (database 3)');
  });

  test('contains every host of a cluster, and TLS', () => {
    expect(describing('dragonflys://a:1,b:2')).toBe('dragonfly at a:1, b:2 (cluster, TLS)');
  });

  test('contains the setting of the secret if the address is in the secret', () => {
    const DRAGONFLY_SECRET_ARN = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:hidden-AbCdEf';
    const where = 'dragonfly, at the URL in the secret DRAGONFLY_SECRET_ARN';
    expect(describeBackend(readConfig({ DRAGONFLY_SECRET_ARN }))).toBe(where);
  });

  test('does not contain the user and the password', () => {
    const text = describing('dragonflys://someone:secret@cache.internal:6380');
    expect(text).toBe('dragonfly at cache.internal:6380 (database 0, TLS)');
  });
});

const printed = (env: Record<string, string>, { address = '127.0.0.1', docs = true } = {}) =>
  banner(readConfig(env), routes, { address, port: 8123, docs }).split('\n');

const printedWith = (docs: boolean) => printed({ SERVICE_NAME: 'my-cache' }, { docs });

test('the banner contains the service, its address, and every method and path', () => {
  const lines = printedWith(true);
  expect(lines).toContain('my-cache listens on http://localhost:8123');
  const rows = lines.filter((line) => line.startsWith('  ')).map((line) => line.trim().split(/ +/));
  expect(rows).toEqual(routes.flatMap(({ method, paths }) => paths.map((path) => [method, path])));
});

test('the banner contains the address of the docs page, unless there is none', () => {
  expect(printedWith(true)).toContain('Docs: http://localhost:8123/docs');
  expect(printedWith(false).join('\n')).not.toContain('/docs');
});

test('the banner contains the processes of the workers, unless one process serves all requests', () => {
  const started = { address: '127.0.0.1', port: 8123, docs: true };
  const lines = banner(readConfig({}), routes, { ...started, workerPids: [12, 13] }).split('\n');
  expect(lines).toContain('Workers: 2 (processes 12, 13)');
  expect(banner(readConfig({}), routes, started)).not.toContain('Workers');
});

describe('the address in the banner', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1', 'localhost'],
    ['::1', '::1', '[::1]'],
    ['localhost', '127.0.0.1', 'localhost'],
    ['localhost', '::1', 'localhost'],
    ['0.0.0.0', '0.0.0.0', 'localhost'],
    ['0', '0.0.0.0', 'localhost'],
    ['::', '::', 'localhost'],
    ['127.0.0.2', '127.0.0.2', '127.0.0.2'],
    ['10.0.0.7', '10.0.0.7', '10.0.0.7'],
    ['cache.internal', '10.0.0.7', 'cache.internal'],
    ['fd00:0::7', 'fd00::7', '[fd00:0::7]'],
  ])('with SERVICE_HOST=%s, which is %s, has the host %s', (SERVICE_HOST, address, host) => {
    const lines = printed({ SERVICE_HOST, SERVICE_NAME: 'my-cache' }, { address });
    expect(lines).toContain(`my-cache listens on http://${host}:8123`);
    expect(lines).toContain(`Docs: http://${host}:8123/docs`);
    expect(lines.join('\n')).toContain(`'http://${host}:8123/api/v1/cache'`);
  });
});

describe('the destinations in the banner', () => {
  test('are absent if events, traces and metrics are off', () => {
    const env = { NATS_URL: 'nats://broker', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };
    expect(printed(env).filter((line) => /^(?:Events|Traces|Metrics):/.test(line))).toEqual([]);
  });

  test.each([
    ['nats://someone:secret@broker.internal', 'NATS at broker.internal:4222'],
    ['nats://secret@broker.internal:4223', 'NATS at broker.internal:4223'],
    ['tls://someone:secret@a:1,[::1]:2', 'NATS at a:1, [::1]:2 (TLS)'],
  ])('contain the broker of events without its login: %s', (NATS_URL, where) => {
    const lines = printed({ ENABLE_NATS: 'true', NATS_URL, NATS_CREDS: 'secret' });
    expect(lines).toContain(`Events: ${where}`);
    expect(lines.join('\n')).not.toMatch(/someone|secret/);
  });

  test("contain the setting of the secret if the broker's address is in the secret", () => {
    const NATS_SECRET_ARN = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:hidden-AbCdEf';
    const lines = printed({ ENABLE_NATS: 'true', NATS_SECRET_ARN });
    expect(lines).toContain('Events: NATS, at the URL in the secret NATS_SECRET_ARN');
  });

  test.each([
    ['', 'localhost:4318'],
    ['http://collector.internal', 'collector.internal:80'],
    ['https://otlp.example.com/secret', 'otlp.example.com:443 (TLS)'],
    ['http://[::1]:4318', '[::1]:4318'],
  ])('contain the collector without a path or headers: %s', (OTEL_EXPORTER_OTLP_ENDPOINT, where) => {
    const OTEL_EXPORTER_OTLP_HEADERS = 'x-key=secret';
    const lines = printed({ ENABLE_OTEL: 'true', OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS });
    expect(lines).toContain(`Traces: OpenTelemetry collector at ${where}`);
    expect(lines.join('\n')).not.toContain('secret');
  });

  test('contain the namespace of the metrics', () => {
    expect(printed({ METRICS_NAMESPACE: 'Cache/dev' })).toContain('Metrics: namespace Cache/dev');
  });
});

describe('the explanation of a failed start', () => {
  const failing = (code: string) => Object.assign(new Error(`listen ${code}`), { code });

  test.each([
    [8080, 8081],
    [65_535, 65_534],
  ])('contains the port that is in use, and another one: %i, %i', (port, other) => {
    expect(explainStart(failing('EADDRINUSE'), { host: '127.0.0.1', port })).toBe(
      `SERVICE_PORT ${port} is in use by another process; use another one: SERVICE_PORT=${other} npm start`,
    );
  });

  test('contains a port that needs privileges', () => {
    expect(explainStart(failing('EACCES'), { host: '127.0.0.1', port: 80 })).toBe(
      'SERVICE_PORT 80 requires privileges; use a port from 1024 on',
    );
  });

  test.each(['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN', 'EAFNOSUPPORT', 'EINVAL'])(
    'contains a host on which the process cannot listen: %s',
    (code) => {
      expect(explainStart(failing(code), { host: 'a\nb', port: 80 })).toBe(
        'SERVICE_HOST must be an address or a host name of this machine, not "a\\nb"',
      );
    },
  );

  test('is absent for an error before the start to listen, and for an unknown error', () => {
    expect(explainStart(failing('ENOTFOUND'))).toBeUndefined();
    expect(explainStart(failing('EMFILE'), { host: '127.0.0.1', port: 80 })).toBeUndefined();
  });
});

describe('the explanation of a backend that does not reply at the start', () => {
  test.each([
    ['WRONGPASS invalid username-password pair or user is disabled.', 'it rejects the user and password'],
    ['NOAUTH HELLO must be called with the client already authenticated', 'it requires a password'],
    ['self-signed certificate in certificate chain', 'NODE_EXTRA_CA_CERTS'],
    ['connect ECONNREFUSED 10.0.0.7:6379', 'nothing listens there'],
    ['getaddrinfo ENOTFOUND cache.internal', 'no host has this name'],
    ['read ECONNRESET', 'dragonflys://'],
    ['127.0.0.1:6379 closes the connection without an answer', 'dragonflys://'],
    [
      "Socket timeout. Expecting data, but didn't receive any in 400ms.",
      'accepts connections, but does not answer',
    ],
    ['connect ETIMEDOUT', 'cannot be reached'],
  ])('follows from the error: %s', (said, reason) => {
    const line = explainBackend(new BackendUnavailableError(said), false);
    expect(line).toMatch(
      /^The backend does not answer yet \([^()]+\): until it does, requests are answered 503\.$/,
    );
    expect(line).toContain(reason);
    expect(explainBackend(new BackendUnavailableError(new Error(said)), false)).toBe(line);
  });

  test.each([false, true])(
    'contains its address if it does not speak the Redis protocol (TLS: %s)',
    (tls) => {
      const foreign = '[::1]:80 answers, but does not speak the Redis protocol';
      const said = `${foreign}; Failed to refresh slots cache.`;
      expect(explainBackend(new BackendUnavailableError(said), tls)).toBe(
        `${foreign}. Correct DRAGONFLY_URL: until then, requests are answered 503.`,
      );
    },
  );

  test('suggests a URL without TLS if TLS is set', () => {
    const line = explainBackend(new BackendUnavailableError('connect ETIMEDOUT'), true);
    expect(line).toContain('it does not speak TLS, which DRAGONFLY_URL requires');
    expect(explainBackend(new BackendUnavailableError('connect ETIMEDOUT'), false)).not.toContain('TLS');
  });

  test('does not repeat an unknown error', () => {
    const line = 'The backend does not answer yet: until it does, requests are answered 503.';
    expect(explainBackend(new BackendUnavailableError('a secret at 10.0.0.7'), false)).toBe(line);
    expect(explainBackend(undefined, false)).toBe(line);
  });
});
