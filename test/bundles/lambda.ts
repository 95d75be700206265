import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { type Build, build, type FunctionName } from '../../infra/build/functions.ts';
import { functionEnvironment } from '../../infra/stack/environment.ts';
import { runAfterExit } from '../support/after-exit.ts';
import { BOOTSTRAP, InvocationError, RuntimeApi } from '../support/lambda/runtime-api.ts';
import { runtimeEnvironment } from '../support/lambda/runtime-environment.ts';
import { PATIENT } from '../support/patience.ts';

/** A function in a sandbox of its own: one process, which handles one event at a time and is frozen between events. */
export interface LambdaFunction {
  /**
   * Sends an event and returns the response.
   *
   * @param timeoutMs the start value of the context's getRemainingTimeInMillis; the sandbox is killed after it
   * @param slackMs additional time for a busy machine before the sandbox is killed
   * @throws InvocationError if the function throws, exits or takes too long, or if the event or the response is too large
   */
  invoke(event: unknown, timeoutMs?: number, slackMs?: number): Promise<APIGatewayProxyStructuredResultV2>;
  /** Its output to stdout and stderr so far. */
  output(): string;
  /** Kills the sandbox, in any state. */
  stop(): Promise<void>;
}

/** Limit of Lambda for an event and for a response: 6 MB and some overhead. */
const MAX_PAYLOAD_BYTES = 6_291_556;

/** The longest timeout of the functions. A busy machine needs more than the few seconds of the other functions. */
const TIMEOUT_MS = 29_000;

/** Time until a function must request its first event. Lambda allows 10 s, on a machine that is less busy. */
const INIT_TIMEOUT_MS = 60_000;

/** The directory of the functions' logs, and of bundles that this process has built. */
const workspace = mkdtempSync(join(tmpdir(), 'cache-functions-'));
runAfterExit('rm -rf "$1"', workspace);

let built: Promise<Build> | undefined;

/** The directory of the bundles. The setup of a test run builds them once for all processes (`global-setup.ts`). */
export async function bundlesDirectory(): Promise<string> {
  return process.env.TEST_BUNDLES ?? (await bundles()).outdir;
}

/** The bundles of the stack, built once per process. */
export function bundles(): Promise<Build> {
  built ??= build(join(workspace, 'bundles'));
  return built;
}

/**
 * Starts a function from its bundle, as Lambda does, and waits until it is ready for an event. Its environment contains the
 * variables of the template and of the runtime, and NODE_COMPILE_CACHE and NODE_EXTRA_CA_CERTS of this process. `BACKEND_TIMEOUT_MS` is long enough
 * for a busy machine unless it is given; '' selects the default.
 *
 * @param settings values for variables of the template
 * @throws Error if the template does not declare a setting, because a deployed function would not receive it
 * @throws InvocationError if the bundle cannot be loaded or its start fails
 */
export async function startFunction(
  operation: FunctionName,
  settings: Record<string, string> = {},
): Promise<LambdaFunction> {
  const declared = functionEnvironment(() => undefined);
  for (const name of Object.keys(settings)) {
    if (!(name in declared)) throw new Error(`The template declares no ${name}`);
  }
  const outdir = await bundlesDirectory();
  const name = `${operation}-${randomUUID()}`;
  const logFile = join(workspace, `${name}.log`);
  const output = () => readFileSync(logFile, 'utf8');

  const api = new RuntimeApi({ freeze: () => child.kill('SIGSTOP'), thaw: () => child.kill('SIGCONT') });
  const log = openSync(logFile, 'a');
  const facts = {
    api: await api.listen(),
    functionName: name,
    handler: `${operation}.handler`,
    root: outdir,
    memoryMb: 1024,
    region: 'eu-central-1',
  };
  const child = spawn(process.execPath, [BOOTSTRAP], {
    cwd: outdir,
    env: {
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      // The backend of TEST_BACKEND_URL may have a certificate of a private authority.
      NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS,
      ...declared,
      ...PATIENT,
      ...settings,
      ...runtimeEnvironment(facts),
    },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const watchdog = runAfterExit('kill -9 "$1"', String(child.pid));
  const gone = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      watchdog.kill('SIGKILL');
      api.fail(
        new InvocationError('Runtime.ExitError', `Ended with ${signal ?? `code ${code}`}\n${output()}`),
      );
      resolve();
    });
  });

  const stop = async () => {
    child.kill('SIGKILL');
    await gone;
    await api.close();
  };
  /** Kills the sandbox if `awaited` takes longer than `ms`. */
  const within = async <T>(ms: number, what: string, awaited: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => {
      api.fail(new InvocationError('Sandbox.Timedout', `${what} timed out after ${ms} ms\n${output()}`));
      child.kill('SIGKILL');
    }, ms);
    return awaited.finally(() => clearTimeout(timer));
  };

  try {
    await within(INIT_TIMEOUT_MS, 'The start', api.ready());
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    async invoke(event, timeoutMs = TIMEOUT_MS, slackMs = 0) {
      const request = JSON.stringify(event);
      checkSize(request, 'RequestEntityTooLargeException');
      const delivery = {
        requestId: randomUUID(),
        functionArn: `arn:aws:lambda:eu-central-1:123456789012:function:${name}`,
        deadline: Date.now() + timeoutMs,
        event: request,
      };
      const response = await within(timeoutMs + slackMs, 'The task', api.deliver(delivery));
      checkSize(response, 'Function.ResponseSizeTooLarge');
      return JSON.parse(response);
    },
    output,
    stop,
  };
}

function checkSize(payload: string, errorType: string): void {
  const bytes = Buffer.byteLength(payload);
  if (bytes > MAX_PAYLOAD_BYTES)
    throw new InvocationError(errorType, `${bytes} bytes are more than Lambda carries`);
}
