import { JsonText } from '../json/raw.ts';
import type { Hit } from '../store/store.ts';

/** What a get answers for a key, alone or in a batch. Written by hand: it is what the service is asked for most. */
export function getData(key: string, hit: Hit | undefined): JsonText {
  const name = JSON.stringify(key);
  return new JsonText(
    hit
      ? `{"key":${name},"value":${hit.value},"found":true,"ttl":${hit.ttl}}`
      : `{"key":${name},"found":false}`,
  );
}
