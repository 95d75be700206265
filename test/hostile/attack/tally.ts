import type { HttpResponse } from '../oracle/response.ts';

/** Counts the responses of an attack. */
export class Tally {
  requests = 0;
  /** Number of responses by status and error code. */
  readonly responses = new Map<string, number>();
  slowestMs = 0;
  /** The request with the slowest response. */
  slowest = '';

  /** @param request describes the request in one line; called only if its response is the slowest so far */
  count(
    { status, ms }: Pick<HttpResponse, 'status' | 'ms'>,
    refusal: string | undefined,
    request: () => string,
  ): void {
    const kind = refusal ?? String(status);
    this.requests++;
    this.responses.set(kind, (this.responses.get(kind) ?? 0) + 1);
    if (ms <= this.slowestMs) return;
    this.slowestMs = ms;
    this.slowest = request();
  }

  add(other: Tally): void {
    this.requests += other.requests;
    for (const [kind, count] of other.responses)
      this.responses.set(kind, (this.responses.get(kind) ?? 0) + count);
    if (other.slowestMs > this.slowestMs) [this.slowestMs, this.slowest] = [other.slowestMs, other.slowest];
  }

  toString(): string {
    const kinds = [...this.responses]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([kind, n]) => `${n} × ${kind}`);
    const { requests, slowestMs, slowest } = this;
    return [
      `${requests} requests: ${kinds.join(', ')}`,
      `slowest ${slowestMs.toFixed(1)} ms (${slowest})`,
    ].join('\n');
  }
}
