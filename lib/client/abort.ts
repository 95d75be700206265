import type { Signal } from './runtime.ts';

/** All who wait for one signal, and their listener. */
interface Waiting {
  all: Set<() => void>;
  fire: () => void;
}

const waiting = new WeakMap<Signal, Waiting>();

/**
 * Has `leave` called when a signal fires.
 *
 * All who wait for one signal share one listener on it: of eleven Node 20 says that they may be a leak.
 *
 * @returns what takes it back
 */
export function onAbort(signal: Signal, leave: () => void): () => void {
  const { all, fire } = waiting.get(signal) ?? listen(signal);
  all.add(leave);
  return () => {
    if (!all.delete(leave) || all.size > 0) return;
    waiting.delete(signal);
    signal.removeEventListener('abort', fire);
  };
}

function listen(signal: Signal): Waiting {
  const all = new Set<() => void>();
  const fire = (): void => {
    for (const leave of all) leave();
  };
  const begun = { all, fire };
  waiting.set(signal, begun);
  signal.addEventListener('abort', fire, { once: true });
  return begun;
}
