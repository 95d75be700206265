import { setTimeout as sleep } from 'node:timers/promises';
import { type Subscriber, subscribe } from '../../nats/subscriber.ts';
import { type NatsServer, startNats } from '../../support/engines/nats.ts';
import { type FaultProxy, startProxy } from '../proxy.ts';

/** A broker behind a fault proxy, and a subscriber that is connected without the proxy. */
export interface ProxiedBroker {
  nats: NatsServer;
  proxy: FaultProxy;
  subscriber: Subscriber;
  /** Settings that make the service publish to this broker. */
  env: { ENABLE_NATS: 'true'; NATS_URL: string };
  stop(): Promise<void>;
}

export async function proxiedBroker(): Promise<ProxiedBroker> {
  const nats = await startNats();
  const proxy = await startProxy(nats.port);
  const subscriber = await subscribe(nats.url);
  return {
    nats,
    proxy,
    subscriber,
    env: { ENABLE_NATS: 'true', NATS_URL: proxy.url.replace('redis:', 'nats:') },
    async stop() {
      await subscriber.stop();
      await proxy.stop();
      await nats.stop();
    },
  };
}

/** A fault of the broker. */
export interface Fault {
  name: string;
  begin(broker: ProxiedBroker): Promise<unknown> | unknown;
  end(broker: ProxiedBroker): Promise<unknown> | unknown;
}

export const faultList: readonly Fault[] = [
  { name: 'killed', begin: ({ nats }) => nats.kill(), end: ({ nats }) => nats.restart() },
  { name: 'stopped', begin: ({ nats }) => nats.pause(), end: ({ nats }) => nats.resume() },
  { name: 'silent', begin: ({ proxy }) => proxy.drop(), end: ({ proxy }) => proxy.heal() },
  { name: 'half-open', begin: ({ proxy }) => proxy.dropResponses(), end: ({ proxy }) => proxy.heal() },
  {
    name: 'refusing',
    begin: async ({ proxy }) => {
      await proxy.refuse();
      proxy.reset();
    },
    end: ({ proxy }) => proxy.accept(),
  },
  { name: 'slow', begin: ({ proxy }) => proxy.delay(200), end: ({ proxy }) => proxy.delay(0) },
  {
    name: 'trickling',
    begin: ({ proxy }) => proxy.throttle(20_000),
    end: ({ proxy }) => proxy.throttle(Number.POSITIVE_INFINITY),
  },
];

/** Time within which events must arrive again after a fault, in milliseconds. */
const RECOVERY_MS = 30_000;

/**
 * Waits for an event whose timestamp is later than the call.
 *
 * @returns the time until it arrived, in milliseconds
 * @throws Error if none arrives in time
 */
export async function eventsAgain({ subscriber }: ProxiedBroker): Promise<number> {
  const begun = Date.now();
  const fresh = () => Date.parse(String(subscriber.received.at(-1)?.event.timestamp)) > begun;
  while (!fresh()) {
    if (Date.now() > begun + RECOVERY_MS) throw new Error(`No events within ${RECOVERY_MS} ms`);
    await sleep(5);
  }
  return Date.now() - begun;
}
