import type { Config } from '../config/config.ts';
import type { NatsSettings } from '../config/nats.ts';
import type { Log } from '../log/log.ts';
import { onChange } from '../observability/channels.ts';
import { flushBeforeAnswers } from '../observability/flush.ts';
import { natsAccess } from './credentials.ts';
import { encodeEvent, subjectOf } from './event.ts';
import { Publisher } from './publisher.ts';

/** Publishes every change from now on. Begins to connect at once, in the background, and never fails. */
export function publishChanges(
  nats: NatsSettings,
  { serviceName, onLambda }: Pick<Config, 'serviceName' | 'onLambda'>,
  log: Log,
): void {
  const publisher = new Publisher({ access: () => natsAccess(nats), name: serviceName, onLambda, log });
  onChange((message) =>
    publisher.send({ subject: subjectOf(message.tenant), payload: encodeEvent(message) }),
  );
  if (onLambda) flushBeforeAnswers(() => publisher.flush());
}
