import { pseudoRandom } from '../support/random.ts';

/** Values for measurements, as JSON text. The same size gives the same text in every run. */

/** Returns about `bytes` bytes of embeddings: an object with an array of float vectors, as a model's API returns them. */
export function embeddingsJson(bytes: number): string {
  const random = pseudoRandom(bytes);
  const vectors: string[] = [];
  const head = '{"model":"text-embedding","embeddings":[';
  let length = head.length + 2;
  while (length < bytes) {
    const floats: string[] = [];
    while (floats.length < 1536 && length < bytes) {
      const float = String(Number(((random() - 0.5) / 10).toPrecision(8)));
      floats.push(float);
      length += float.length + 1;
    }
    vectors.push(`[${floats.join(',')}]`);
    length += 2;
  }
  return `${head}${vectors.join(',')}]}`;
}

/** Returns about `bytes` bytes of a list of small records, such as an application stores about its users. */
export function recordsJson(bytes: number): string {
  const random = pseudoRandom(bytes);
  const records: string[] = [];
  let length = 2;
  while (length < bytes) {
    const id = Math.floor(random() * 1e9);
    const record = JSON.stringify({
      id,
      name: `user ${id.toString(36)}`,
      active: random() < 0.5,
      score: random(),
    });
    records.push(record);
    length += record.length + 1;
  }
  return `[${records.join(',')}]`;
}
