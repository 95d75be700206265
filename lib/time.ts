let formatted = { at: Number.NaN, text: '' };

/** Now, as ISO 8601 in UTC to the millisecond. A request asks more than once, and formatting takes half a microsecond. */
export function isoNow(): string {
  const at = Date.now();
  if (at !== formatted.at) formatted = { at, text: new Date(at).toISOString() };
  return formatted.text;
}

/**
 * How long to wait before another attempt, in the unit of `first` and `most`. Grows with every failure, with jitter so that a
 * thousand processes do not knock at the same moment.
 */
export function pauseAfter({ first, most }: { first: number; most: number }, failures: number): number {
  const longest = Math.min(most, first * 2 ** Math.min(failures, 16));
  return longest * (0.5 + Math.random() / 2);
}
