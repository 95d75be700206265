import { expect, onTestFinished, test } from 'vitest';
import { startNats } from './nats.ts';

test('starting a NATS server on a used port fails with an error that contains its output', async () => {
  const first = await startNats();
  onTestFinished(() => first.stop());
  await expect(startNats({ port: first.port })).rejects.toThrow(/address already in use/);
});
