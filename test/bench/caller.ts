import { pathToFileURL } from 'node:url';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { context } from './context.ts';

/**
 * A child process that imports the bundle given on the command line and calls its handler on request. It exits with its parent.
 */

/** An event as JSON text, with which the handler is called once or repeatedly. */
export type Order = { event: string; status: number } & (
  | { kind: 'once' }
  | {
      kind: 'loop';
      /** Duration of the loop. */
      milliseconds: number;
      /** Calls per reading of the clocks. */
      batch: number;
    }
);

/** The result of an order. */
export type Report =
  | { kind: 'ready' }
  | { kind: 'response'; body: string | undefined }
  /** Microseconds per call. `cpu` is the CPU time of all threads of this process. */
  | { kind: 'cost'; wall: number; cpu: number; calls: number }
  | { kind: 'failure'; message: string };

type Handler = (event: unknown, context: object) => Promise<APIGatewayProxyStructuredResultV2>;

async function once(handler: Handler, { event, status }: Order): Promise<Report> {
  const response = await handler(JSON.parse(event), context);
  if (response.statusCode !== status) throw new Error(`Status ${response.statusCode}: ${response.body}`);
  return { kind: 'response', body: response.body };
}

/**
 * Calls the handler sequentially. Each call gets a new event, which is parsed outside of the measured time, because in Lambda the
 * runtime parses events.
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
      if (statusCode !== status) throw new Error(`Status ${statusCode}`);
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
