import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LOOPBACK } from './ports.ts';

/** PEM files that a TLS server is started with. */
export interface CertificateFiles {
  /** The private authority's certificate: what a client has to trust. */
  caFile: string;
  certFile: string;
  keyFile: string;
}

const ALGORITHM = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;

async function issue() {
  // Loaded here, since most tests that start a server need no certificate and would only wait for it.
  const { generate } = await import('selfsigned');
  const ca = await generate([{ name: 'commonName', value: 'Cache service test authority' }], {
    ...ALGORITHM,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const server = await generate([{ name: 'commonName', value: 'localhost' }], {
    ...ALGORITHM,
    ca: { key: ca.private, cert: ca.cert },
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      // Nodes of a cluster are each other's clients.
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: LOOPBACK },
        ],
      },
    ],
  });
  return { ca: ca.cert, cert: server.cert, key: server.private };
}

/** One authority for all servers of a process, so that the nodes of a cluster trust each other. */
let issued: ReturnType<typeof issue> | undefined;

/** Writes the certificate for a server on loopback, its key and its authority into the directory. */
export async function writeCertificates(directory: string): Promise<CertificateFiles> {
  issued ??= issue();
  const { ca, cert, key } = await issued;
  const files = {
    caFile: join(directory, 'ca.pem'),
    certFile: join(directory, 'server.pem'),
    keyFile: join(directory, 'server.key'),
  };
  await writeFile(files.caFile, ca);
  await writeFile(files.certFile, cert);
  await writeFile(files.keyFile, key, { mode: 0o600 });
  return files;
}
