import { createServer } from 'node:http';
import { Redis } from 'ioredis';

/** A minimal HTTP cache server: `GET /<key>` is a bare `GET`. Arguments: the backend's URL and the port. */

const [url = '', port] = process.argv.slice(2);
const redis = new Redis(url, { enableAutoPipelining: true });

createServer((request, response) => {
  const key = decodeURIComponent((request.url ?? '/').slice(1));
  redis.get(key).then(
    (value) => {
      response.writeHead(value === null ? 404 : 200, { 'content-type': 'application/json' });
      response.end(value ?? '');
    },
    () => {
      response.writeHead(503);
      response.end();
    },
  );
}).listen(Number(port), '127.0.0.1');
