import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { type Build, build, type FunctionName } from '../../infra/build/functions.ts';
import { functionEnvironment } from '../../infra/stack/environment.ts';
import { BOOTSTRAP, InvocationError, RuntimeApi } from '../support/lambda/runtime-api.ts';
import { runtimeEnvironment } from '../support/lambda/runtime-environment.ts';
import { PATIENT } from '../support/patience.ts';

/** A function in a sandbox of its own: one process, one event at a time, frozen in between. */
export interface LambdaFunction {
  /**
   * Sends it an event and returns its answer.
   *
   * @param timeoutMs what the context's getRemainingTimeInMillis counts from; the sandbox is killed after it
   * @param slackMs what a busy machine may add to that before it is killed
   * @throws InvocationError when the function throws, ends or takes too long, or event or answer are too large
   */
  invoke(event: unknown, timeoutMs?: number, slackMs?: number): Promise<APIGatewayProxyStructuredResultV2>;
  /** All that it has written to stdout and stderr. */
  output(): string;
  /** Kills the sandbox, in any state. */
  stop(): Promise<void>;
}

/** What Lambda takes in an event and in an answer: 6 MB, with some room for what is around them. */
const MAX_PAYLOAD_BYTES = 6_291_556;

/** The longest that any of the functions is given; a busy machine needs more than the others' few seconds. */
const TIMEOUT_MS = 29_000;

/** How long a function may take before it asks for its first event. Lambda gives 10 s, on a machine that is not shared. */
const INIT_TIMEOUT_MS = 60_000;

/** Holds the bundles and what the functions write. */
const workspace = mkdtempSync(join(tmpdir(), 'cache-functions-'));
afterUs('rm -rf "$1"', workspace);

let built: Promise<Build> | undefined;

/** The bundles as the stack packs them, built once for this process. */
export function bundles(): Promise<Build> {
  built ??= build(join(workspace, 'bundles'));
  return built;
}

/**
 * Starts a function as Lambda does, from its bundle and with nothing in its environment but what the template declares and
 * what the runtime adds, but for the authorities that this process trusts, and waits until it is ready for an event. Its backend has
 * time for a busy machine, unless `BACKEND_TIMEOUT_MS` is given; '' stands for the default.
 *
 * @param settings in place of what the template declares; others would never reach a function, so they are refused
 * @throws InvocationError when the bundle cannot be loaded or its start fails
 */
export async function startFunction(
  operation: FunctionName,
  settings: Record<string, string> = {},
): Promise<LambdaFunction> {
  const declared = functionEnvironment(() => undefined);
  for (const name of Object.keys(settings)) {
    if (!(name in declared)) throw new Error(`The template declares no ${name}`);
  }
  const { outdir } = await bundles();
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
      // The backend that TEST_BACKEND_URL names may have a certificate of a private authority.
      NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS,
      ...declared,
      ...PATIENT,
      ...settings,
      ...runtimeEnvironment(facts),
    },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const watchdog = afterUs('kill -9 "$1"', String(child.pid));
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
  /** Kills the sandbox when what is awaited takes too long. */
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
      const answer = await within(timeoutMs + slackMs, 'The task', api.deliver(delivery));
      checkSize(answer, 'Function.ResponseSizeTooLarge');
      return JSON.parse(answer);
    },
    output,
    stop,
  };
}

/**
 * Runs a line of shell with one argument when this process has come to its end, however it did: test runners end their
 * workers by a signal, which no exit handler sees, and a frozen sandbox would stay for good.
 */
function afterUs(line: string, argument: string): ChildProcess {
  // It waits for its input to end. In a group of its own, so that ctrl-C does not take it first.
  const watchdog = spawn('sh', ['-c', `read -r _; ${line}`, 'sh', argument], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watchdog.unref();
  return watchdog;
}

function checkSize(payload: string, errorType: string): void {
  const bytes = Buffer.byteLength(payload);
  if (bytes > MAX_PAYLOAD_BYTES)
    throw new InvocationError(errorType, `${bytes} bytes are more than Lambda carries`);
}
