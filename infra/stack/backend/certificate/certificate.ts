import { issue } from './issue.ts';

/** Where secrets are kept: by ARN, each a JSON object of texts. */
export interface Secrets {
  read(arn: string): Promise<Record<string, string>>;
  write(arn: string, secret: Record<string, string>): Promise<void>;
}

/**
 * Makes a certificate and puts its private key where only the server looks, and what clients trust beside their password.
 * The key leaves this function for that secret and for nowhere else.
 *
 * @returns what may be known of it
 */
export async function makeCertificate(
  secrets: Secrets,
  { hostName, serverSecret, clientSecret }: { hostName: string; serverSecret: string; clientSecret: string },
): Promise<{ Fingerprint: string }> {
  const { certificate, key, fingerprint } = await issue(hostName);
  const login = await secrets.read(clientSecret);
  await secrets.write(serverSecret, { certificate, key });
  await secrets.write(clientSecret, { ...login, ca: certificate });
  return { Fingerprint: fingerprint };
}
