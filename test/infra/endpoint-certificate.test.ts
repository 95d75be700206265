import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer as createTlsServer } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  createCertificate,
  type Secrets,
  storeCertificate,
} from '../../infra/stack/backend/certificate/certificate.ts';
import { type ResourceRequest, respond } from '../../infra/stack/backend/certificate/respond.ts';
import { BACKENDS, BUNDLED, resources, synthesize } from './synthesize.ts';

const HOST = 'dragonfly.cache-service-prod.internal';

/** Whether a client that trusts `ca` can connect to a server with the certificate under this name. */
async function handshake(
  server: { certificate: string; key: string },
  client: { ca?: string; servername: string },
): Promise<string> {
  const listening = createTlsServer({ cert: server.certificate, key: server.key }, (socket) => socket.end());
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address() as AddressInfo;
  try {
    return await new Promise((resolve) => {
      const socket = connect({ port, host: '127.0.0.1', ...client }, () => {
        resolve('connected');
        socket.destroy();
      });
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    });
  } finally {
    listening.close();
  }
}

describe('the certificate', () => {
  it('is trusted for its name by clients that have it as their authority', async () => {
    const issued = await createCertificate(HOST);
    const ca = issued.certificate;
    expect(await handshake(issued, { ca, servername: HOST })).toBe('connected');
    expect(await handshake(issued, { ca, servername: `other.${HOST}` })).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(await handshake(issued, { servername: HOST })).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
  });

  it('differs each time, and clients of one do not trust another', async () => {
    const [first, second] = await Promise.all([createCertificate(HOST), createCertificate(HOST)]);
    expect(first.fingerprint).toMatch(/^[0-9a-f]{40,}$/i);
    expect(second.fingerprint).not.toBe(first.fingerprint);
    expect(await handshake(second, { ca: first.certificate, servername: HOST })).not.toBe('connected');
  });

  it('is valid from now on, for ten years', async () => {
    const ca = (await createCertificate(HOST, new Date('2020-01-01T00:00:00Z'))).certificate;
    const { validFrom, validTo } = new X509Certificate(ca);
    expect(new Date(validFrom).toISOString()).toBe('2020-01-01T00:00:00.000Z');
    expect(new Date(validTo).toISOString()).toBe('2030-01-01T00:00:00.000Z');
  });

  it('cannot sign other certificates', async () => {
    expect(new X509Certificate((await createCertificate(HOST)).certificate).ca).toBe(false);
  });
});

describe('storeCertificate', () => {
  it("writes certificate and key to the server's secret, and adds ca to the clients' secret", async () => {
    const kept: Record<string, Record<string, string>> = { client: { password: 'generated' }, server: {} };
    const secrets: Secrets = {
      read: async (arn) => ({ ...kept[arn] }),
      write: async (arn, secret) => {
        kept[arn] = secret;
      },
    };
    const response = await storeCertificate(secrets, {
      hostName: HOST,
      serverSecret: 'server',
      clientSecret: 'client',
    });
    const { certificate = '', key = '' } = kept.server ?? {};
    expect(kept.client).toEqual({ password: 'generated', ca: certificate });
    expect(await handshake({ certificate, key }, { ca: kept.client?.ca, servername: HOST })).toBe(
      'connected',
    );
    expect(Object.keys(response)).toEqual(['Fingerprint']);
  });
});

describe('the response to CloudFormation', () => {
  const received: { method: string | undefined; type: string | undefined; body: Record<string, unknown> }[] =
    [];
  let cloudFormation: Server;
  let request: ResourceRequest;
  let status = 200;

  beforeAll(async () => {
    cloudFormation = createServer(async (incoming, outgoing) => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk);
      const { method, headers } = incoming;
      const body = JSON.parse(Buffer.concat(chunks).toString());
      received.push({ method, type: headers['content-type'], body });
      outgoing.writeHead(status).end();
    });
    await new Promise<void>((resolve) => cloudFormation.listen(0, '127.0.0.1', resolve));
    request = {
      RequestType: 'Create',
      ResponseURL: `http://127.0.0.1:${(cloudFormation.address() as AddressInfo).port}/response?signature=x`,
      StackId: 'arn:aws:cloudformation:us-east-1:123456789012:stack/CacheService/1',
      RequestId: 'request-1',
      LogicalResourceId: 'CacheCertificate',
      ResourceProperties: {},
    };
  });

  afterAll(() => new Promise((resolve) => cloudFormation.close(resolve)));

  it('contains the attributes and keeps the physical id', async () => {
    await respond(request, async () => ({ Fingerprint: 'ab' }));
    await respond({ ...request, RequestType: 'Update', PhysicalResourceId: 'named' }, async () => ({}));
    expect(received.splice(0)).toMatchObject([
      {
        method: 'PUT',
        body: {
          Status: 'SUCCESS',
          RequestId: 'request-1',
          LogicalResourceId: 'CacheCertificate',
          PhysicalResourceId: 'CacheCertificate',
          Data: { Fingerprint: 'ab' },
        },
      },
      { body: { Status: 'SUCCESS', PhysicalResourceId: 'named' } },
    ]);
  });

  // The URL is a presigned S3 URL. Its signature includes an empty Content-Type.
  it('has an empty Content-Type, as the URL is signed', async () => {
    await respond(request, async () => ({}));
    expect(received.splice(0)).toMatchObject([{ method: 'PUT', type: '' }]);
  });

  it('contains the reason of a failure', async () => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => {});
    await respond(request, () => Promise.reject(new Error('no such secret')));
    expect(logged).toHaveBeenCalledWith('Error: no such secret');
    logged.mockRestore();
    expect(received.splice(0)).toMatchObject([
      { body: { Status: 'FAILED', Reason: 'Error: no such secret' } },
    ]);
  });

  it('throws if it is not accepted, so that Lambda retries', async () => {
    status = 403;
    await expect(respond(request, async () => ({}))).rejects.toThrow(/403/);
  });
});

describe('the function', () => {
  const { app, template } = synthesize({ ...BACKENDS.dragonfly, ...BUNDLED });
  const directory = mkdtempSync(join(tmpdir(), 'cache-certificate-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('runs from its bundle with the modules of the runtime only', async () => {
    const [code] = Object.values(resources(template, 'AWS::Lambda::Function'))
      .filter(({ Description }) => /certificate/.test(String(Description)))
      .map(({ Code }) => Code as { S3Key: string });
    const asset = code?.S3Key.replace(/\.zip$/, '');
    cpSync(join(app.outdir, `asset.${asset}`), directory, { recursive: true });
    // Replaces a module of Lambda's runtime that is not available here: secrets are files.
    const sdk = join(directory, 'node_modules/@aws-sdk/client-secrets-manager');
    mkdirSync(sdk, { recursive: true });
    writeFileSync(join(sdk, 'package.json'), '{"type":"module","exports":"./index.js"}');
    writeFileSync(
      join(sdk, 'index.js'),
      `import { readFileSync, writeFileSync } from 'node:fs';
       export class GetSecretValueCommand { constructor(input) { this.input = input; } }
       export class PutSecretValueCommand extends GetSecretValueCommand {}
       export class SecretsManagerClient {
         async send({ input: { SecretId, SecretString } }) {
           if (SecretString === undefined) return { SecretString: readFileSync(SecretId, 'utf8') };
           writeFileSync(SecretId, SecretString);
           return {};
         }
       }`,
    );
    writeFileSync(join(directory, 'client'), '{"password":"generated"}');

    let received = '';
    const cloudFormation = createServer(async (incoming, outgoing) => {
      for await (const chunk of incoming) received += chunk;
      outgoing.end();
    });
    await new Promise<void>((resolve) => cloudFormation.listen(0, '127.0.0.1', resolve));
    const event = {
      RequestType: 'Create',
      ResponseURL: `http://127.0.0.1:${(cloudFormation.address() as AddressInfo).port}/`,
      LogicalResourceId: 'CacheCertificate',
      ResourceProperties: { HostName: HOST, ServerSecret: 'server', ClientSecret: 'client' },
    };
    const run = `require('./index.js').handler(${JSON.stringify(event)})`;
    await promisify(execFile)(process.execPath, ['--eval', run], { cwd: directory, env: {} });
    cloudFormation.close();

    expect(JSON.parse(received)).toMatchObject({
      Status: 'SUCCESS',
      Data: { Fingerprint: expect.any(String) },
    });
    const secret = (name: string) => JSON.parse(readFileSync(join(directory, name), 'utf8'));
    const { certificate, key } = secret('server');
    expect(secret('client')).toEqual({ password: 'generated', ca: certificate });
    expect(received).not.toContain(key.split('\n')[1]);
    expect(await handshake({ certificate, key }, { ca: certificate, servername: HOST })).toBe('connected');
  });
});
