import * as z from 'zod';
import {
  type Answer,
  bearer,
  type Finding,
  getJson,
  type Provider,
  postForm,
  readTokenResponse,
  type TokenResult,
} from './provider.ts';

const tokenEndpoint = 'https://oauth2.googleapis.com/token';
const scope = 'https://www.googleapis.com/auth/analytics.readonly';

/** The parts of a downloaded key file that are kept. What it says of addresses is never used. */
const account = z.object({
  client_email: z.string().regex(/^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.gserviceaccount\.com$/),
  private_key: z.string().transform((pem) => pem.replaceAll('\\n', '\n')),
  private_key_id: z.string().regex(/^[A-Za-z0-9]{1,64}$/),
  project_id: z.string().regex(/^[a-z0-9.:-]{1,64}$/),
});

/** What a pasted JSON may be instead. */
const pasted = z.looseObject({ type: z.string().optional(), universe_domain: z.string().optional() });

const metadata = z.object({ name: z.string() });
const property = z.object({ displayName: z.string() });
const reasons = z.array(z.object({ reason: z.string().optional() }));
const googleError = z.object({
  error: z.object({ message: z.string().catch(''), details: reasons.catch([]) }),
});
const described = z.object({ error_description: z.string() });

const makeKey =
  'Make one in the Google Cloud console under IAM & Admin, Service Accounts, Keys, Add key, Create new key, JSON.';
const addToProperty =
  'in Google Analytics under Admin, Property access management, add the service account’s e-mail address (client_email in the JSON) as Viewer.';

/** https://developers.google.com/identity/protocols/oauth2/service-account and https://developers.google.com/analytics/devguides/reporting/data/v1 */
export const ga4 = {
  id: 'ga4',
  name: 'Google Analytics',
  category: 'analytics',
  docs: 'https://developers.google.com/analytics/devguides/reporting/data/v1',
  hosts: () => ['oauth2.googleapis.com', 'analyticsadmin.googleapis.com', 'analyticsdata.googleapis.com'],
  config: [
    {
      name: 'property_id',
      label: 'Property ID',
      required: true,
      pattern: '[1-9][0-9]{0,18}',
      help: 'The number in Google Analytics under Admin, Property details, such as 123456789; not the measurement ID, which begins with G-.',
      normalize: (value) => /^properties\/(\d+)$/.exec(value.trim())?.[1] ?? value.trim(),
    },
  ],
  auth: {
    type: 'service_account',
    key: {
      name: 'api_key',
      label: 'Service account key (JSON)',
      required: true,
      pattern: '\\{[\\s\\S]{1,16000}\\}',
      help: `The whole key file of a Google Cloud service account. ${makeKey} Enable the Google Analytics Data API in that project, and ${addToProperty}`,
      normalize: (text) => JSON.stringify(account.safeParse(parsed(text)).data ?? {}),
    },
    refuse,
    grant: {
      applies: () => true,
      assertion: (key) => {
        const { client_email, private_key, private_key_id } = account.parse(parsed(key));
        return {
          privateKey: private_key,
          keyId: private_key_id,
          claims: { iss: client_email, scope, aud: tokenEndpoint },
          lifetime: 3600,
        };
      },
      *request({ assertion }) {
        const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
        return tokens(yield postForm(tokenEndpoint, { grant_type, assertion }));
      },
      // https://developers.google.com/identity/protocols/oauth2/service-account#error-codes
      dead: ['invalid_grant', 'invalid_client', 'unauthorized_client', 'disabled_client'],
    },
  },
  *probe({ credential, config: { property_id } }) {
    const name = `properties/${property_id}`;
    // Costs little of the property's quota, and no more for a property with much data, as a report would.
    const data = yield getJson(
      `https://analyticsdata.googleapis.com/v1beta/${name}/metadata`,
      bearer(credential),
    );
    if (data.status !== 200) return failed(data, property_id);
    if (metadata.safeParse(data.json).data?.name !== `${name}/metadata`) return undefined;
    // Named by another API, which need not be enabled. What only kept it from answering takes no name away.
    const admin = yield getJson(`https://analyticsadmin.googleapis.com/v1beta/${name}`, bearer(credential));
    const found = admin.status === 200 ? property.safeParse(admin.json).data : undefined;
    const nameless = admin.status === 403 ? `GA4 property ${property_id}` : null;
    return { finding: 'works', account: { id: name, name: found?.displayName ?? nameless } };
  },
  revocation: {
    unsupported:
      'Delete the key in the Google Cloud console under IAM & Admin, Service Accounts, Keys, and remove the service account in Google Analytics under Admin, Property access management.',
  },
  tools: ['reeve_analytics'],
  capabilities: [],
  webhookEvents: [],
} satisfies Provider;

const deadKey = `Google does not accept this key: it was deleted or disabled, or its service account was. ${makeKey}`;

/** What is wrong with the time of an assertion is wrong with our clock. */
function tokens(answer: Answer): TokenResult {
  const result = readTokenResponse(answer);
  if (!('error' in result)) return result;
  const description = described.safeParse(answer.json).data?.error_description ?? '';
  return /\b(iat|exp|timeframe)\b/.test(description)
    ? { error: 'assertion_out_of_time' }
    : { ...result, detail: deadKey };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refuse(text: string): string | undefined {
  const json = pasted.safeParse(parsed(text)).data;
  if (!json) return `Paste the whole key file, from { to }. ${makeKey}`;
  if (json.type !== 'service_account') {
    return `That is the JSON of something else; a service account’s key says "type": "service_account". ${makeKey}`;
  }
  if ((json.universe_domain ?? 'googleapis.com') !== 'googleapis.com') {
    return 'That key is of another cloud than Google’s public one, which has no Google Analytics.';
  }
  const found = account.safeParse(json);
  if (!found.success) {
    const [path] = found.error.issues[0]?.path ?? [];
    return `In that key file, ${String(path)} is missing or not as Google writes it. ${makeKey}`;
  }
  return /^-----BEGIN PRIVATE KEY-----\s[\s\S]+-----END PRIVATE KEY-----\s*$/.test(found.data.private_key)
    ? undefined
    : `In that key file, private_key is cut off or changed. ${makeKey}`;
}

/** Several causes share a status; the details tell them apart. */
function failed({ status, json }: Answer, id: string | undefined): Finding | undefined {
  const error = googleError.safeParse(json).data?.error;
  if (!error) return undefined;
  if (status === 401) return { finding: 'refused', detail: deadKey };
  if (status === 400) {
    return { finding: 'refused', detail: `Google Analytics knows no property ${id}. Check the Property ID.` };
  }
  if (status !== 403) return undefined;
  const given = error.details.flatMap(({ reason }) => reason ?? []);
  if (given.includes('SERVICE_DISABLED') || /has not been used in project/.test(error.message)) {
    const project = /\bproject (\d+)\b/.exec(error.message)?.[1];
    return {
      finding: 'insufficient',
      detail: `The key works, but the Google Analytics Data API is not enabled in its Google Cloud project. Enable it at console.cloud.google.com/apis/library/analyticsdata.googleapis.com${project === undefined ? '' : `?project=${project}`}, wait a few minutes and connect again.`,
    };
  }
  return {
    finding: 'insufficient',
    detail:
      given.length > 0
        ? 'The key works, but Google does not let its Google Cloud project use Google Analytics. Look at the project in the Google Cloud console: it may be suspended, or restricted by its organization.'
        : `The key works, but may not see the property ${id}. Check the Property ID, and ${addToProperty}`,
  };
}
