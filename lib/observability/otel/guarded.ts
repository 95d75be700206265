import type { Log } from '../../log/log.ts';

/**
 * A listener that throws would end the process. This one's errors go to the log, the first of them, and whoever is listened to
 * goes on.
 */
export function guarded<Message, Result>(
  log: Log,
  listener: (message: Message) => Result,
): (message: Message) => Result | undefined {
  let told = false;
  return (message) => {
    try {
      return listener(message);
    } catch (error) {
      if (!told) log.error('telemetry missed something', { cause: error });
      told = true;
      return undefined;
    }
  };
}
