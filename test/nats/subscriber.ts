import { type ConnectionOptions, connect } from '@nats-io/transport-node';

/** An event as it came. */
export interface Received {
  subject: string;
  event: Record<string, unknown>;
}

/** Somebody who listens to events. */
export interface Subscriber {
  /** All that has come so far, in its order. */
  readonly received: Received[];
  stop(): Promise<void>;
}

/** Subscribes, and returns when the server knows of it. It comes back by itself when the server was away. */
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
