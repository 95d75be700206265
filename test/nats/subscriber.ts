import { type ConnectionOptions, connect } from '@nats-io/transport-node';

/** An event as it was received. */
export interface Received {
  subject: string;
  event: Record<string, unknown>;
}

/** A subscriber to events. */
export interface Subscriber {
  /** All events so far, in the order of arrival. */
  readonly received: Received[];
  stop(): Promise<void>;
}

/** Subscribes, and resolves when the server has processed the subscription. Reconnects when the server was down. */
export async function subscribe(
  url: string,
  subject = 'cache.events.>',
  options: ConnectionOptions = {},
): Promise<Subscriber> {
  const connection = await connect({
    servers: url.replace('tls://', ''),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 20,
    reconnectJitter: 0,
    ...options,
  });
  const received: Received[] = [];
  connection.subscribe(subject, {
    callback: (error, message) => {
      if (!error) received.push({ subject: message.subject, event: message.json() });
    },
  });
  await connection.flush();
  return { received, stop: () => connection.close() };
}
