import type { Signal } from './runtime.ts';

interface Listeners {
  all: Set<() => void>;
  fire: () => void;
}

const listenersBySignal = new WeakMap<Signal, Listeners>();

/**
 * Calls `listener` when a signal fires.
 *
 * All listeners of one signal share one event listener: Node 20 warns of a memory leak at eleven.
 *
 * @returns function that removes the listener
 */
export function onAbort(signal: Signal, listener: () => void): () => void {
  const { all, fire } = listenersBySignal.get(signal) ?? listen(signal);
  all.add(listener);
  return () => {
    if (!all.delete(listener) || all.size > 0) return;
    listenersBySignal.delete(signal);
    signal.removeEventListener('abort', fire);
  };
}

function listen(signal: Signal): Listeners {
  const all = new Set<() => void>();
  const fire = (): void => {
    for (const listener of all) listener();
  };
  const listeners = { all, fire };
  listenersBySignal.set(signal, listeners);
  signal.addEventListener('abort', fire, { once: true });
  return listeners;
}
