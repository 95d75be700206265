import { functionEnvironment } from '../../infra/stack/environment.ts';
import { namespaceOf } from '../../infra/stack/metrics.ts';
import { runtimeEnvironment } from '../support/lambda/runtime-environment.ts';

/** Settings by their names. */
export type Settings = Readonly<Record<string, string>>;

/**
 * The variables of a function as it is deployed: nothing set but where the backend is and where its metrics go, so it logs at
 * INFO.
 *
 * @param root the directory that holds its bundle
 * @param settings what else is set, or set otherwise
 */
export function deployedEnvironment(
  name: string,
  root: string,
  backendUrl: string,
  settings: Settings = {},
): Record<string, string> {
  const given: Settings = {
    DRAGONFLY_URL: backendUrl,
    METRICS_NAMESPACE: namespaceOf('prod'),
    ...settings,
  };
  return {
    ...functionEnvironment((setting) => given[setting]),
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
