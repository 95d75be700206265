import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { type Service, startService } from './service.ts';

let service: Service | undefined;

async function start(env: Record<string, string> = {}): Promise<Service> {
  service = await startService(env);
  return service;
}

afterEach(async () => {
  await service?.stop();
  service = undefined;
});

/** The machine's addresses in the form of URLs, without link-local addresses, which need the name of an interface. */
function addressesOf(...families: string[]): string[] {
  return Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ family, scopeid }) => families.includes(family) && !scopeid)
    .map(({ address, family }) => (family === 'IPv6' ? `[${address}]` : address));
}

/** On Linux this is an address of the machine too, although no interface lists it. */
const OTHER_LOOPBACK = '127.0.0.2';
const hasOtherLoopback = process.platform === 'linux';
const IPV4 = [...addressesOf('IPv4'), ...(hasOtherLoopback ? [OTHER_LOOPBACK] : [])];
const IPV6 = addressesOf('IPv6');

const healthOn = (host: string, port: number) => fetch(`http://${host}:${port}/health`);

describe('the service', () => {
  test('listens on 127.0.0.1 only by default', async () => {
    const { port } = await start();
    expect((await healthOn('127.0.0.1', port)).status).toBe(200);
    const others = [...IPV4, ...IPV6].filter((address) => address !== '127.0.0.1');
    expect(others).not.toEqual([]);
    for (const host of others) {
      await expect(healthOn(host, port), host).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    }
  });

  test.for<[string, string[]]>([
    ['0.0.0.0', IPV4],
    ['::', [...IPV4, ...IPV6]],
  ])(
    'listens on every address of the machine with SERVICE_HOST=%s',
    async ([SERVICE_HOST, addresses], { skip }) => {
      skip(SERVICE_HOST === '::' && IPV6.length === 0, 'this machine has no IPv6 address');
      const { port, stdout } = await start({ SERVICE_HOST });
      expect(addresses).not.toEqual([]);
      for (const host of addresses) expect((await healthOn(host, port)).status, host).toBe(200);
      expect(stdout()).toContain(`cache-service listens on http://localhost:${port}\n`);
    },
  );

  test.for([OTHER_LOOPBACK, ...IPV4.filter((address) => !address.startsWith('127.'))])(
    'listens on the address of SERVICE_HOST=%s only, and prints it',
    async (host, { skip }) => {
      skip(host === OTHER_LOOPBACK && !hasOtherLoopback, 'only Linux has 127.0.0.2 on every machine');
      const { port, stdout } = await start({ SERVICE_HOST: host });
      expect((await healthOn(host, port)).status).toBe(200);
      expect(stdout()).toContain(`cache-service listens on http://${host}:${port}\n`);
      await expect(healthOn('127.0.0.1', port)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    },
  );
});
