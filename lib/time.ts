let formatted = { epochMs: Number.NaN, text: '' };

/** Now, in ISO 8601 and UTC with milliseconds. Cached, since a request needs it several times and formatting takes 0.5 µs. */
export function isoNow(): string {
  const epochMs = Date.now();
  if (epochMs !== formatted.epochMs) formatted = { epochMs, text: new Date(epochMs).toISOString() };
  return formatted.text;
}

/**
 * The pause before the next attempt, in the unit of `first` and `most`: exponential backoff, with jitter so that many processes do not
 * reconnect at the same time.
 */
export function pauseAfter({ first, most }: { first: number; most: number }, failures: number): number {
  const longest = Math.min(most, first * 2 ** Math.min(failures, 16));
  return longest * (0.5 + Math.random() / 2);
}
