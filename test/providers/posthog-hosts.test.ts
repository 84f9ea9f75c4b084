import { expect, test } from 'vitest';
import { readConfigFields } from '../../lib/config-fields.ts';
import { posthog } from '../../providers/posthog.ts';
import { readVectors } from '../support/vectors.ts';

const read = (host: string) => readConfigFields(posthog, { host, project_id: '1' }).host;

test.each([
  ['us', 'us.posthog.com'],
  ['EU', 'eu.posthog.com'],
  ['https://us.posthog.com/project/1/insights', 'us.posthog.com'],
  ['https://app.posthog.com', 'us.posthog.com'],
  ['https://eu.i.posthog.com/', 'eu.posthog.com'],
  ['PostHog.Acme.Example', 'posthog.acme.example'],
  ['xn--acm-dma.example.com', 'xn--acm-dma.example.com'],
])('%s is read as %s', (given, kept) => {
  expect(read(given)).toBe(kept);
});

test.each([
  'http://us.posthog.com',
  'ftp://us.posthog.com',
  '//us.posthog.com',
  'us.posthog.com:443',
  'https://us.posthog.com:8443/',
  'https://us.posthog.com@evil.example/',
  'https://a:b@us.posthog.com',
  'us.posthog.com.',
  'us..posthog.com',
  '.posthog.com',
  '-a.posthog.com',
  'a-.posthog.com',
  `${'a'.repeat(64)}.example.com`,
  `${'a.'.repeat(130)}com`,
  'us.posthog.com#',
  'us.posthog.com?x',
  'us.posthog.com\\evil.example',
  'us.posthog.com%2eevil.example',
  'us.posthog.com\n',
  ' us.posthog.com',
  'us。posthog。com',
  'acmé.example',
  'posthog',
  'localhost',
  'posthog.localhost',
  'posthog.local',
  'posthog.internal',
  'db.corp',
  'posthog.svc.cluster.local',
  '1.0.0.127.in-addr.arpa',
  '127.0.0.1',
  '127.1',
  '2130706433',
  '0x7f000001',
  '0x7f.0.0.1',
  '0177.0.0.1',
  '[::1]',
  '::1',
  '127.0.0.1.nip.io',
  '10-0-0-1.sslip.io',
  '169.254.169.254.rebind.example',
  'app.localtest.me',
  'toString',
  '__proto__',
  '',
])('%j is no host', (given) => {
  expect(() => read(given)).toThrow();
});

interface Vectors {
  urls: string[];
  ipClassification: Array<{ ip: string }>;
  metadataHosts: string[];
}
const vectors = readVectors<Vectors>('ssrf-hosts.json');

test.skipIf(!vectors)('none of the shared vectors’ private addresses is a host', () => {
  const { urls = [], ipClassification = [], metadataHosts = [] } = vectors ?? {};
  const bare = urls.map((url) => url.replace(/^https?:\/\//, '').replace(/:12456/, ''));
  const addresses = ipClassification.flatMap(({ ip }) => [ip, `https://${ip}`, `https://[${ip}]/`]);
  // A public name, there for where it redirects to; no outside call follows a redirect.
  const redirecting = 'bit.ly/3z04dcF';
  const all = [...urls, ...bare, ...addresses, ...metadataHosts].filter((each) => each !== redirecting);
  for (const host of all) expect(() => read(host), host).toThrow();
});
