import { setTimeout as sleep } from 'node:timers/promises';
import { type Subscriber, subscribe } from '../../nats/subscriber.ts';
import { type NatsServer, startNats } from '../../support/engines/nats.ts';
import { type FaultProxy, startProxy } from '../proxy.ts';

/** A broker that is reached through a proxy, and somebody who listens to it past the proxy. */
export interface ProxiedBroker {
  nats: NatsServer;
  proxy: FaultProxy;
  subscriber: Subscriber;
  /** What a service is told of it. */
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

/** Something that happens to a broker, and its end. */
export interface Trouble {
  name: string;
  begin(broker: ProxiedBroker): Promise<unknown> | unknown;
  end(broker: ProxiedBroker): Promise<unknown> | unknown;
}

export const troubles: readonly Trouble[] = [
  { name: 'killed', begin: ({ nats }) => nats.kill(), end: ({ nats }) => nats.restart() },
  { name: 'stopped', begin: ({ nats }) => nats.pause(), end: ({ nats }) => nats.resume() },
  { name: 'dark', begin: ({ proxy }) => proxy.drop(), end: ({ proxy }) => proxy.heal() },
  { name: 'half-open', begin: ({ proxy }) => proxy.dropAnswers(), end: ({ proxy }) => proxy.heal() },
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

/** How long events may take to come again, in milliseconds. */
const PATIENCE_MS = 30_000;

/**
 * Waits until an event comes that was made from now on.
 *
 * @returns after how many milliseconds
 * @throws Error when none comes
 */
export async function eventsAgain({ subscriber }: ProxiedBroker): Promise<number> {
  const begun = Date.now();
  const fresh = () => Date.parse(String(subscriber.received.at(-1)?.event.timestamp)) > begun;
  while (!fresh()) {
    if (Date.now() > begun + PATIENCE_MS) throw new Error(`No events again after ${PATIENCE_MS} ms`);
    await sleep(5);
  }
  return Date.now() - begun;
}
