/** Monotonic time in milliseconds. It is the same in all processes of the machine, so their histories can be joined. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
