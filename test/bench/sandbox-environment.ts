import { functionEnvironment } from '../../infra/environment.ts';
import { runtimeEnvironment } from '../../infra/lambda/runtime-environment.ts';

/**
 * The variables of a function as it is deployed: nothing set but where the backend is, so it logs at INFO.
 *
 * @param root the directory that holds its bundle
 */
export function deployedEnvironment(name: string, root: string, backendUrl: string): Record<string, string> {
  return {
    ...functionEnvironment((setting) => (setting === 'DRAGONFLY_URL' ? backendUrl : undefined)),
    ...runtimeEnvironment({
      // Nobody asks for events here: they are handed over directly.
      api: '127.0.0.1:0',
      functionName: name,
      handler: `${name}.handler`,
      root,
      memoryMb: 512,
      region: 'eu-central-1',
    }),
  };
}
