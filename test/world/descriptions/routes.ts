import { type Definition, type Method, type Operation, operationsOf, type Server } from './definition.ts';

export interface Route {
  template: string;
  /** What of a URL's path stands before the template. */
  base: string;
  /** Where it is served; undefined where every customer has a host of their own. */
  host: string | undefined;
  operations: Partial<Record<Method, Operation>>;
}

/** Finds the path of a description that a URL is of, by its host and path alone: the most literal one wins. */
export function routesOf(definition: Definition, ownHosts: boolean): (url: URL) => Route | undefined {
  const routes = new Map<string, Route & { pattern: RegExp }>();
  for (const { path, method, operation } of operationsOf(definition)) {
    for (const { host, base } of ownHosts
      ? [everywhere]
      : placesOf(operation.servers ?? definition.servers)) {
      const key = `${host} ${base}${path}`;
      const route = routes.get(key) ?? {
        template: path,
        base,
        host,
        operations: {},
        pattern: new RegExp(
          `^${literally(base)}${path
            .split(/\{[^}]+\}/)
            .map(literally)
            .join('[^/]+')}$`,
        ),
      };
      route.operations[method] = operation;
      routes.set(key, route);
    }
  }
  const literal = ({ template }: Route) => template.replaceAll(/\{[^}]+\}/g, '').length;
  const sorted = [...routes.values()].sort((a, b) => literal(b) - literal(a));
  return (url) =>
    sorted.find(({ host, pattern }) => (host ?? url.host) === url.host && pattern.test(url.pathname));
}

const everywhere = { host: undefined, base: '' };

export function placesOf(servers: Server[] = []): { host: string; base: string }[] {
  return servers.map(({ url }) => {
    const { host, pathname } = new URL(url);
    return { host, base: pathname.replace(/\/$/, '') };
  });
}

function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
