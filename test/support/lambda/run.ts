import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { BOOTSTRAP, InvocationError, RuntimeApi } from './runtime-api.ts';
import { runtimeEnvironment } from './runtime-environment.ts';

/** A function as a template describes it. */
export interface FunctionDescription {
  /** Its logical id. */
  name: string;
  /** The directory of its code. */
  root: string;
  handler: string;
  timeoutSeconds: number;
  memoryMb: number;
  /** Its own variables; it sees no others but the runtime's. */
  environment: Record<string, string>;
  region: string;
}

/** Lambda gives a start ten seconds, on a machine of its own. */
const INIT_TIMEOUT_MS = 20_000;

/**
 * Runs a function once, in a process of its own that has ended when this returns. What it writes to stdout and stderr comes
 * out of this process's stderr.
 *
 * @param event JSON text
 * @returns its answer, JSON text
 * @throws InvocationError when its start fails, or it throws, ends or takes longer than its timeout
 */
export async function runOnce(description: FunctionDescription, event: string): Promise<string> {
  const { name: functionName, root, environment, timeoutSeconds, region } = description;
  const api = new RuntimeApi();
  const facts = { ...description, functionName, api: await api.listen() };
  const child = spawn(process.execPath, [BOOTSTRAP], {
    cwd: root,
    env: { ...environment, ...runtimeEnvironment(facts) },
    stdio: ['ignore', 2, 2],
  });
  const fail = (type: string, message: string) => api.fail(new InvocationError(type, message));
  const gone = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      fail('Runtime.ExitError', error.message);
      resolve();
    });
    child.once('exit', (code, signal) => {
      fail('Runtime.ExitError', `The function ended with ${signal ?? `code ${code}`}`);
      resolve();
    });
  });
  const within = async <T>(ms: number, what: string, awaited: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => fail('Sandbox.Timedout', `${what} took longer than ${ms / 1000} s`), ms);
    return awaited.finally(() => clearTimeout(timer));
  };
  try {
    await within(INIT_TIMEOUT_MS, 'The start', api.ready());
    const timeoutMs = timeoutSeconds * 1000;
    const delivery = {
      requestId: randomUUID(),
      functionArn: `arn:aws:lambda:${region}:123456789012:function:${functionName}`,
      deadline: Date.now() + timeoutMs,
      event,
    };
    return await within(timeoutMs, 'The function', api.deliver(delivery));
  } finally {
    child.kill('SIGKILL');
    await gone;
    await api.close();
  }
}
