import { simulators } from '../../world/providers/index.ts';
import type { SimulatorFactory } from '../../world/simulator.ts';

/** A request as a provider saw it. */
export interface Overheard {
  provider: string;
  /** Method and address, for people. */
  what: string;
  /** All that could carry a credential. */
  text: string;
}

/** The usual simulators, with somebody who writes down what they are asked. */
export function overhear(providers: readonly string[]): {
  factories: SimulatorFactory[];
  heard: Overheard[];
} {
  const heard: Overheard[] = [];
  const factories = simulators.map<SimulatorFactory>((make) => (context) => {
    const simulator = make(context);
    if (!providers.includes(simulator.provider)) return simulator;
    return {
      ...simulator,
      async fetch(request) {
        const body = await request.clone().text();
        const { provider } = simulator;
        const headers = [...request.headers].flatMap(([, value]) => [value, decodeBasic(value)]);
        const what = `${request.method} ${request.url.split('?')[0]}`;
        heard.push({ provider, what, text: [request.url, ...headers, body].join('\n') });
        return simulator.fetch(request);
      },
    };
  });
  return { factories, heard };
}

/**
 * The requests that were made with a connection's secrets, but for those that end its access, look for what is to be
 * ended, or ask afterwards whether it has ended.
 */
export function usesOf(secrets: readonly string[], heard: readonly Overheard[]): Overheard[] {
  const own = heard.filter(({ text }) => secrets.some((secret) => text.includes(secret)));
  const ending = own.findIndex(isEnding);
  return own.filter((request, at) => {
    if (isEnding(request) || /^GET \S+\/v1\/webhook_endpoints$/.test(request.what)) return false;
    return ending === -1 || at < ending || /access_token$/.test(request.what);
  });
}

const isEnding = ({ what, text }: Overheard) => what.startsWith('DELETE ') || /[a-z]Delete\(/.test(text);

function decodeBasic(value: string): string {
  const encoded = /^basic +(\S+)$/i.exec(value)?.[1];
  return encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString();
}
