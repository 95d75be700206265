/** Summarises the warnings and errors in a service's log: each reason once, with its count. */
export function summarizeLog(output: string): string {
  const counts = new Map<string, number>();
  for (const line of output.split('\n')) {
    if (!line.startsWith('{')) continue;
    const { message, error, cause } = JSON.parse(line) as {
      message: string;
      error?: string;
      cause?: unknown;
    };
    const reason =
      error ?? (typeof cause === 'string' ? cause : (cause as { message?: string } | undefined)?.message);
    const what = reason === undefined ? message : `${message}: ${normalize(reason)}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => `${what} (${count})`).join('; ');
}

/** Removes the parts of a reason that vary, such as ports and numbers. */
function normalize(reason: string): string {
  return reason.replace(/\b127\.0\.0\.1:\d+/g, 'HOST:PORT').replace(/\b[0-9a-f]{40}\b/g, 'SHA');
}
