/** The seed of the generated input: `HOSTILE_SEED` if set, otherwise random. */
export const seed = Number(process.env.HOSTILE_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Runs an attack, and adds the seed to the message of its error so that the failure can be reproduced. */
export async function withSeed<T>(attack: (seed: number) => Promise<T>): Promise<T> {
  try {
    return await attack(seed);
  } catch (error) {
    throw new Error(`With HOSTILE_SEED=${seed}: ${shorten((error as Error).message)}`, { cause: error });
  }
}

/** Shortens a text by replacing a long repetition with one copy and the number of repetitions. */
function shorten(text: string): string {
  return text.replace(
    /(.{1,12}?)\1{30,}/gs,
    (all, part: string) => `${part}… (${all.length / part.length} times)`,
  );
}
