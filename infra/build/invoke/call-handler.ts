import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/*
 * Imports a function's bundle, calls its handler once with the event on stdin, and writes the result as JSON to file descriptor 3.
 * Exits with 1 if the function fails to start, throws or exceeds its timeout.
 *
 * Arguments: the path of the bundle, the name of its export, the function's timeout in seconds.
 */

const [bundle = '', exportName = '', timeoutSeconds] = process.argv.slice(2);
const timeoutMs = Number(timeoutSeconds) * 1000;

try {
  const { [exportName]: handler } = await import(pathToFileURL(bundle).href);
  const deadlineEpochMs = Date.now() + timeoutMs;
  setTimeout(() => fail(`Sandbox.Timedout: The function took longer than ${timeoutSeconds} s`), timeoutMs);
  const result = await handler(JSON.parse(readFileSync(process.stdin.fd, 'utf8')), {
    awsRequestId: crypto.randomUUID(),
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    getRemainingTimeInMillis: () => deadlineEpochMs - Date.now(),
  });
  writeFileSync(3, JSON.stringify(result ?? null));
  process.exit();
} catch (error) {
  fail(error);
}

function fail(reason: unknown): never {
  console.error(reason);
  process.exit(1);
}
