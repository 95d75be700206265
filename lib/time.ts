let formatted = { at: Number.NaN, text: '' };

/** Now, as ISO 8601 in UTC with milliseconds. Cached, since a request asks more than once and formatting takes half a microsecond. */
export function isoNow(): string {
  const at = Date.now();
  if (at !== formatted.at) formatted = { at, text: new Date(at).toISOString() };
  return formatted.text;
}

/**
 * How long to wait before another attempt, in the unit of `first` and `most`: exponential backoff with jitter, so that a thousand
 * processes do not reconnect at the same moment.
 */
export function pauseAfter({ first, most }: { first: number; most: number }, failures: number): number {
  const longest = Math.min(most, first * 2 ** Math.min(failures, 16));
  return longest * (0.5 + Math.random() / 2);
}
