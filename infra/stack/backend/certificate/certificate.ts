import { generate } from 'selfsigned';

/** A server's certificate and its private key, both PEM. */
export interface Certificate {
  certificate: string;
  key: string;
  /** Hexadecimal digits. */
  fingerprint: string;
}

const YEARS = 10;

/**
 * Creates a certificate for a private DNS name, for which no public authority would issue one. The certificate is self-signed:
 * clients trust it directly, and there is no authority whose key could be stolen.
 */
export async function createCertificate(hostName: string, now = new Date()): Promise<Certificate> {
  const notAfterDate = new Date(now);
  notAfterDate.setFullYear(now.getFullYear() + YEARS);
  const created = await generate([{ name: 'commonName', value: hostName }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: now,
    notAfterDate,
    extensions: [
      // Not an authority: its key cannot sign further certificates.
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: hostName }] },
    ],
  });
  const fingerprint = created.fingerprint.replaceAll(':', '');
  return { certificate: created.cert, key: created.private, fingerprint };
}

/** Secrets by ARN. Each is a JSON object of strings. */
export interface Secrets {
  read(arn: string): Promise<Record<string, string>>;
  write(arn: string, secret: Record<string, string>): Promise<void>;
}

/**
 * Creates a certificate. Stores it with its private key in the server's secret, and without the key in the clients' secret, beside
 * their password.
 *
 * @returns attributes of the custom resource, which are not secret
 */
export async function storeCertificate(
  secrets: Secrets,
  { hostName, serverSecret, clientSecret }: { hostName: string; serverSecret: string; clientSecret: string },
): Promise<{ Fingerprint: string }> {
  const { certificate, key, fingerprint } = await createCertificate(hostName);
  const login = await secrets.read(clientSecret);
  await secrets.write(serverSecret, { certificate, key });
  await secrets.write(clientSecret, { ...login, ca: certificate });
  return { Fingerprint: fingerprint };
}
