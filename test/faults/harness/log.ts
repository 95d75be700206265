/** What an operator finds in a service's log of warnings and errors: each reason once, and how often. */
export function operatorSees(output: string): string {
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
    const what = reason === undefined ? message : `${message}: ${general(reason)}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => `${what} (${count})`).join('; ');
}

/** Without what differs from one time to the next. */
function general(reason: string): string {
  return reason.replace(/\b127\.0\.0\.1:\d+/g, 'HOST:PORT').replace(/\b[0-9a-f]{40}\b/g, 'SHA');
}
