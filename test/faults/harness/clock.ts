/** Milliseconds on the machine's monotonic clock, which is the same in every process: histories of several can be joined. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
