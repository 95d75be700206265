/** Formats log lines for a terminal: `10:29:28.123 INFO  request operation=get status=200 …`, an error's stack below its line. */
export function prettyPrint(lines: string): string {
  return lines
    .split('\n')
    .map((line) => (line === '' ? '' : prettyLine(line)))
    .join('\n');
}

function prettyLine(line: string): string {
  const { level, message, timestamp, ...fields } = JSON.parse(line) as Record<string, unknown>;
  // `service` is the same in every line, and `_aws` is for machines only.
  delete fields.service;
  delete fields._aws;
  const stacks: string[] = [];
  const words = Object.entries(fields).map(([name, value]) => {
    if (typeof value !== 'object' || value === null) return `${name}=${quoteIfNeeded(value)}`;
    const error = value as ErrorFields;
    if (typeof error.stack !== 'string') return `${name}=${JSON.stringify(value)}`;
    stacks.push(...stacksOf(error));
    return `${name}=${quoteIfNeeded(error.message)}`;
  });
  const time = String(timestamp).slice('2026-11-22T'.length, -1);
  return [[time, String(level).padEnd(5), message, ...words].join(' '), ...stacks].join('\n');
}

interface ErrorFields {
  message?: unknown;
  stack?: unknown;
  cause?: unknown;
}

/** The stacks of an error and of its causes. */
function stacksOf({ stack, cause }: ErrorFields): string[] {
  const own = typeof stack === 'string' ? [stack.replaceAll(/^/gm, '    ')] : [];
  return typeof cause === 'object' && cause !== null ? [...own, ...stacksOf(cause as ErrorFields)] : own;
}

function quoteIfNeeded(value: unknown): string {
  const text = String(value);
  return /^[\w./:@%+-]*$/.test(text) ? text : JSON.stringify(text);
}
