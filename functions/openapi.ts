import { noInput } from '../lib/http/input.ts';
import { JsonText } from '../lib/json/raw.ts';
import { openApiDocument } from '../lib/openapi/document.ts';
import { config, endpoint } from '../lib/service.ts';

/** Created once, since it depends on the configuration alone. */
const document = new JsonText(JSON.stringify(openApiDocument(config)));

/** GET /openapi.json: the description of this service, with its configured limits. */
export const handler = endpoint('openapi', { input: noInput }, async () => ({ status: 200, document }));
