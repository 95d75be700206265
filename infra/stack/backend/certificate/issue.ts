import { generate } from 'selfsigned';

/** A server's certificate and its private key, both PEM. The certificate is its own authority: clients trust it itself. */
export interface Issued {
  certificate: string;
  key: string;
  /** Tells it from others: hexadecimal digits. */
  fingerprint: string;
}

const YEARS = 10;

/**
 * Makes a certificate for a name in a private zone, where no public authority would issue one. No other key can sign for the
 * name, since there is no authority whose key could be lost.
 */
export async function issue(hostName: string, now = new Date()): Promise<Issued> {
  const notAfterDate = new Date(now);
  notAfterDate.setFullYear(now.getFullYear() + YEARS);
  const made = await generate([{ name: 'commonName', value: hostName }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: now,
    notAfterDate,
    extensions: [
      // No authority for others, so that whoever has the key cannot issue more in its name.
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: hostName }] },
    ],
  });
  return { certificate: made.cert, key: made.private, fingerprint: made.fingerprint.replaceAll(':', '') };
}
