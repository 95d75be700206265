import { pathToFileURL } from 'node:url';
import type { Invocation, InvocationResult } from './run.ts';

/** The child process of `runOnce`: imports a function's bundle, calls its handler once, and reports the result. */

process.once('message', async (invocation: Invocation) => {
  const outcome = await invoke(invocation).catch((error: unknown): InvocationResult => {
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    return { errorType: name, errorMessage: [message, stack].join('\n') };
  });
  process.send?.(outcome);
});

async function invoke(invocation: Invocation): Promise<InvocationResult> {
  const { modulePath, exportName, functionName, event, timeoutMs } = invocation;
  const handler: unknown = (await import(pathToFileURL(modulePath).href))[exportName];
  if (typeof handler !== 'function') throw new Error(`${modulePath} exports no ${exportName}`);
  const deadlineEpochMs = Date.now() + timeoutMs;
  const timer = setTimeout(() => {
    const errorMessage = `The function took longer than ${timeoutMs / 1000} s`;
    process.send?.({ errorType: 'Sandbox.Timedout', errorMessage } satisfies InvocationResult);
  }, timeoutMs);
  const result = await handler(JSON.parse(event), {
    awsRequestId: crypto.randomUUID(),
    functionName,
    getRemainingTimeInMillis: () => deadlineEpochMs - Date.now(),
  });
  clearTimeout(timer);
  return { result: JSON.stringify(result ?? null) };
}
