import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ENTRY_POINT,
  flags,
  HEALTH_CHECK,
  TLS_DIRECTORY,
  VARIABLES,
} from '../../infra/stack/backend/dragonfly-container.ts';
import { needs } from '../support/engines/needs.ts';
import { type Server, startServer } from '../support/engines/server.ts';

const run = promisify(execFile);

describe('the start of the container', () => {
  const directory = mkdtempSync(join(tmpdir(), 'cache-container-'));
  const tls = join(directory, 'tls');
  const bin = join(directory, 'bin');
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** Runs the script unchanged except for its directory, with stand-ins for commands that only the container has. */
  async function start(variables: Record<string, string>): Promise<{ line: string[]; env: string }> {
    mkdirSync(tls, { recursive: true });
    mkdirSync(bin, { recursive: true });
    const command = (name: string, script: string) => {
      writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(bin, name), 0o755);
    };
    command('chown', ':');
    command('setpriv', `printf '%s\\n' "$@" > ${directory}/line; env > ${directory}/env`);
    const [shell = '', ...args] = ENTRY_POINT.map((part) => part.replaceAll(TLS_DIRECTORY, tls));
    await run(shell, [...args, '--first', '--second=a b'], {
      env: { PATH: `${bin}${delimiter}${process.env.PATH}`, ...variables },
    });
    return {
      line: readFileSync(join(directory, 'line'), 'utf8').trim().split('\n'),
      env: readFileSync(join(directory, 'env'), 'utf8'),
    };
  }

  const secrets = {
    [VARIABLES.password]: 'password-1',
    [VARIABLES.certificate]: '-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----',
    [VARIABLES.key]: '-----BEGIN PRIVATE KEY-----\n%s \\n "$x"\n-----END PRIVATE KEY-----',
  };

  it('writes certificate and key unchanged, readable by its user only', async () => {
    await start(secrets);
    for (const [file, text] of [
      ['certificate.pem', secrets[VARIABLES.certificate]],
      ['key.pem', secrets[VARIABLES.key]],
    ] as const) {
      expect(readFileSync(join(tls, file), 'utf8')).toBe(`${text}\n`);
      expect(statSync(join(tls, file)).mode & 0o777).toBe(0o600);
    }
  });

  it('executes Dragonfly without privileges, with its flags and password, without the key', async () => {
    const { line, env } = await start(secrets);
    expect(line).toEqual(expect.arrayContaining(['--reuid=dfly', '--clear-groups', '--no-new-privs']));
    expect(line.slice(line.indexOf('--'))).toEqual(['--', 'dragonfly', '--first', '--second=a b']);
    expect(env).toContain(`${VARIABLES.password}=password-1`);
    expect(env).not.toMatch(/PRIVATE KEY|TLS_/);
  });

  it('exits if a secret is missing', async () => {
    const { [VARIABLES.key]: _, ...incomplete } = secrets;
    await expect(start(incomplete)).rejects.toThrow(/TLS_KEY/);
  });

  it('passes the written files in the flags', () => {
    const given = flags({ cpu: 1, memoryGiB: 4 });
    expect(given).toContain(`--tls_cert_file=${TLS_DIRECTORY}/certificate.pem`);
    expect(given).toContain(`--tls_key_file=${TLS_DIRECTORY}/key.pem`);
  });
});

describe('the health check', () => {
  // The image contains it, but the machine of a test may not.
  needs('redis-cli');
  let server: Server;
  beforeAll(async () => {
    server = await startServer({ tls: true, password: 'p"a$s' });
  });
  afterAll(() => server?.stop());

  const check = (password: string, port = server.port) => {
    const [, line = ''] = HEALTH_CHECK;
    const here = line
      .replace(`${TLS_DIRECTORY}/certificate.pem`, server.caFile ?? '')
      .replace('-h 127.0.0.1', `-h 127.0.0.1 -p ${port}`);
    return run('/bin/sh', ['-c', here], { env: { PATH: process.env.PATH, [VARIABLES.password]: password } });
  };

  it('succeeds over TLS with the right password', async () => {
    await expect(check('p"a$s')).resolves.toBeDefined();
  });

  it('fails with a wrong password, and without a server', async () => {
    await expect(check('another')).rejects.toMatchObject({ code: 1 });
    await expect(check('p"a$s', 1)).rejects.toMatchObject({ code: 1 });
  });
});
