import { readNats } from '../../lib/config/nats.ts';
import { natsAccess } from '../../lib/events/credentials.ts';
import { Publisher } from '../../lib/events/publisher.ts';
import { createLog } from '../../lib/log/log.ts';

export interface LogLine {
  level: string;
  message: string;
  error?: string;
  count?: number;
}

/** A publisher with the settings that are given, and what it logs. It lives as long as this process. */
export function startPublisher(env: Record<string, string>, onLambda = false) {
  const nats = readNats({ ENABLE_NATS: 'true', ...env });
  if (!nats) throw new Error('Events are on');
  const lines: LogLine[] = [];
  const log = createLog({ logLevel: 'DEBUG', serviceName: 'test' }, (line) => lines.push(JSON.parse(line)));
  const publisher = new Publisher({ access: () => natsAccess(nats), name: 'test', onLambda, log });
  return {
    lines,
    flush: () => publisher.flush(),
    /** An event that says no more than its number. */
    send(number: number, padding = 0) {
      const payload = Buffer.from(JSON.stringify({ number, padding: 'x'.repeat(padding) }));
      publisher.send({ subject: 'cache.events.acme', payload });
    },
  };
}
