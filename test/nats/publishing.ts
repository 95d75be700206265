import { readNats } from '../../lib/config/nats.ts';
import { startNatsEvents } from '../../lib/events/nats.ts';
import { createLog } from '../../lib/log/log.ts';
import type { Subscriber } from './subscriber.ts';

export interface LogLine {
  level: string;
  message: string;
  error?: string;
  count?: number;
}

/** Starts events with the given settings. They are never stopped, and do not keep this process alive. */
export function startPublisher(env: Record<string, string>) {
  const nats = readNats({ ENABLE_NATS: 'true', ...env });
  if (!nats) throw new Error('ENABLE_NATS is true, but there are no settings');
  const lines: LogLine[] = [];
  const log = createLog({ logLevel: 'DEBUG', serviceName: 'test' }, (line) => lines.push(JSON.parse(line)));
  const events = startNatsEvents(nats, { serviceName: 'test' }, log);
  return {
    /** Everything that was logged. */
    lines,
    flush: () => events.flush(),
    /** Publishes an event whose key begins with the number. */
    send(number: number, paddingBytes = 0) {
      const key = `${number}:${'x'.repeat(paddingBytes)}`;
      events.publish({ tenant: 'acme', correlationId: 'c' }, { type: 'set', key });
    },
  };
}

/** The numbers of the events that the subscriber has received, in the order of arrival. */
export function numbersOf({ received }: Subscriber): number[] {
  return received.map(({ event }) => Number.parseInt(String(event.key), 10));
}
