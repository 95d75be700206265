import type { Answer } from '../oracle/answer.ts';

/** What came of an attack, in figures. */
export class Tally {
  requests = 0;
  /** How many answers there were of each kind, by status and code. */
  readonly answers = new Map<string, number>();
  slowestMs = 0;
  /** What the slowest one was about. */
  slowest = '';

  /** @param request as a line of text, should it be the slowest */
  count(
    { status, ms }: Pick<Answer, 'status' | 'ms'>,
    refusal: string | undefined,
    request: () => string,
  ): void {
    const kind = refusal ?? String(status);
    this.requests++;
    this.answers.set(kind, (this.answers.get(kind) ?? 0) + 1);
    if (ms <= this.slowestMs) return;
    this.slowestMs = ms;
    this.slowest = request();
  }

  add(other: Tally): void {
    this.requests += other.requests;
    for (const [kind, count] of other.answers) this.answers.set(kind, (this.answers.get(kind) ?? 0) + count);
    if (other.slowestMs > this.slowestMs) [this.slowestMs, this.slowest] = [other.slowestMs, other.slowest];
  }

  toString(): string {
    const kinds = [...this.answers]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([kind, n]) => `${n} × ${kind}`);
    const { requests, slowestMs, slowest } = this;
    return [
      `${requests} requests: ${kinds.join(', ')}`,
      `slowest ${slowestMs.toFixed(1)} ms (${slowest})`,
    ].join('\n');
  }
}
