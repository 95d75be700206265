import { type Client, serversOf } from './client.ts';

/**
 * Sends commands to their servers at once: one write to each server, and the time of one round trip.
 *
 * Not an ioredis pipeline: a cluster's takes only what is on one server, and gives up a whole pipeline for one slot that has
 * moved. So each command is sent as it would be alone, while its server's socket holds back what is written to it.
 *
 * @returns their answers, in order. All are awaited even when one fails: a command that is left behind would harm the
 *   connection later.
 * @throws what the first one that failed was rejected with
 */
export async function sideBySide<T>(client: Client, commands: (() => Promise<T>)[]): Promise<T[]> {
  const [only] = commands;
  if (only && commands.length === 1) return [await only()];
  // A server that has not been needed yet has no socket.
  const sockets = serversOf(client).flatMap(({ stream }) => stream ?? []);
  for (const socket of sockets) socket.cork();
  let sent: Promise<T>[];
  try {
    sent = commands.map((send) => send());
  } finally {
    for (const socket of sockets) socket.uncork();
  }
  const results = await Promise.allSettled(sent);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
