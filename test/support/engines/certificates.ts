import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LOOPBACK } from './ports.ts';

/** Paths of the PEM files for a TLS server. */
export interface CertificateFiles {
  /** The certificate of the private authority, which a client must trust. */
  caFile: string;
  certFile: string;
  keyFile: string;
}

const ALGORITHM = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;

async function issue() {
  // Loaded on demand, because most tests that start a server need no certificate.
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
      // The nodes of a cluster are also clients of each other.
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

/** Writes a certificate for a server on loopback, its key and the authority's certificate into the directory. */
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
