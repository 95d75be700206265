import { endpoint } from '../lib/http/endpoint.ts';
import { JsonText } from '../lib/json/raw.ts';
import { openApiDocument } from '../lib/openapi/document.ts';
import { config } from '../lib/settings.ts';

/** Made once: it depends on the settings alone. */
const document = new JsonText(JSON.stringify(openApiDocument(config)));

/** GET /openapi.json: the description of this service, with the limits that it was started with. */
export const handler = endpoint(
  { operation: 'openapi', tenant: false, input: () => undefined },
  async () => ({ status: 200, document }),
);
