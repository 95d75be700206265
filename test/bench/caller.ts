import { pathToFileURL } from 'node:url';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';

/**
 * Imports the bundle that the command line names and calls its handler as often as it is asked to. Runs as a process of its
 * own, which ends when the one that started it does.
 */

/** An event, JSON text, to call the handler with: once, or over and over. */
export type Order = { event: string; status: number } & (
  | { kind: 'once' }
  | {
      kind: 'loop';
      /** How long to go on. */
      milliseconds: number;
      /** Calls between two looks at the clocks. */
      batch: number;
    }
);

/** What came of it. */
export type Report =
  | { kind: 'ready' }
  | { kind: 'answer'; body: string | undefined }
  /** Microseconds a call, the CPU's of all threads of this process. */
  | { kind: 'cost'; wall: number; cpu: number; calls: number }
  | { kind: 'failure'; message: string };

type Handler = (event: unknown, context: object) => Promise<APIGatewayProxyStructuredResultV2>;

const context = {
  awsRequestId: 'c6af9ac6-7b61-11e6-9a41-93e8deadbeef',
  getRemainingTimeInMillis: () => 5000,
};

async function once(handler: Handler, { event, status }: Order): Promise<Report> {
  const answer = await handler(JSON.parse(event), context);
  if (answer.statusCode !== status) throw new Error(`Answered ${answer.statusCode}: ${answer.body}`);
  return { kind: 'answer', body: answer.body };
}

/**
 * One call after the other. The events are parsed beforehand and outside of what is measured, as the runtime does it: every
 * call gets one that is fresh.
 */
async function loop(handler: Handler, order: Order & { kind: 'loop' }): Promise<Report> {
  const { event, status, milliseconds, batch } = order;
  let [wall, cpu, calls] = [0, 0, 0];
  for (const end = performance.now() + milliseconds; performance.now() < end; calls += batch) {
    const events: unknown[] = Array.from({ length: batch }, () => JSON.parse(event));
    const cpuBefore = process.cpuUsage();
    const before = performance.now();
    for (const one of events) {
      const { statusCode } = await handler(one, context);
      if (statusCode !== status) throw new Error(`Answered ${statusCode}`);
    }
    wall += (performance.now() - before) * 1000;
    const { user, system } = process.cpuUsage(cpuBefore);
    cpu += user + system;
  }
  return { kind: 'cost', wall: wall / calls, cpu: cpu / calls, calls };
}

function send(report: Report): void {
  process.send?.(report);
}

process.once('disconnect', () => process.exit());
const { handler } = (await import(pathToFileURL(process.argv[2] ?? '').href)) as { handler: Handler };
process.on('message', (order: Order) => {
  const done = order.kind === 'once' ? once(handler, order) : loop(handler, order);
  done.then(send, (error: Error) => send({ kind: 'failure', message: error.stack ?? error.message }));
});
send({ kind: 'ready' });
