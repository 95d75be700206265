import type { Config } from '../config/config.ts';
import type { NatsSettings } from '../config/nats.ts';
import type { Log } from '../log/log.ts';
import { natsAccess } from './credentials.ts';
import { type Events, encodeEvent, subjectOf } from './event.ts';
import { Publisher } from './publisher.ts';

/** Publishes changes to NATS. Begins to connect at once, in the background, and never fails. */
export function startNatsEvents(
  nats: NatsSettings,
  { serviceName, onLambda }: Pick<Config, 'serviceName' | 'onLambda'>,
  log: Log,
): Events {
  const publisher = new Publisher({ access: () => natsAccess(nats), name: serviceName, onLambda, log });
  return {
    publish: (request, change) =>
      publisher.send({ subject: subjectOf(request.tenant), payload: encodeEvent(request, change) }),
    flush: () => publisher.flush(),
  };
}
