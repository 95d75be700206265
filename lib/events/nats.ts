import type { Config } from '../config.ts';
import { onChange } from '../telemetry/channels.ts';
import { flushBeforeAnswers } from '../telemetry/flush.ts';
import type { Log } from '../telemetry/log.ts';
import { natsAccess } from './access.ts';
import { encodeEvent, subjectOf } from './event.ts';
import { Publisher } from './publisher.ts';
import type { NatsSettings } from './settings.ts';

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
