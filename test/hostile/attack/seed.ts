/** The seed of what is generated: another one each time, or HOSTILE_SEED. */
export const seed = Number(process.env.HOSTILE_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Makes an attack that fails say by what seed it can be repeated. */
export async function withSeed<T>(attack: (seed: number) => Promise<T>): Promise<T> {
  try {
    return await attack(seed);
  } catch (error) {
    throw new Error(`With HOSTILE_SEED=${seed}: ${shortened((error as Error).message)}`, { cause: error });
  }
}

/** The text with what is repeated in it told as such. */
function shortened(text: string): string {
  return text.replace(
    /(.{1,12}?)\1{30,}/gs,
    (all, part: string) => `${part}… (${all.length / part.length} times)`,
  );
}
