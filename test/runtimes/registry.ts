// A registry on loopback that knows one package: for Deno, which installs no tarball.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Registry {
  url: string;
  /** Paths of whatever else was asked for. */
  unknown: string[];
  close(): void;
}

/** `manifest` is the package.json in the tarball. */
export async function serveRegistry(tarball: string, manifest: { name: string; version: string }): Promise<Registry> {
  const bytes = readFileSync(tarball);
  const { name, version } = manifest;
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  const unknown: string[] = [];
  const server: Server = createServer(({ url }, response) => {
    if (url === `/${name}`) {
      const dist = { tarball: `${urlOf(server)}${name}.tgz`, integrity };
      const versions = { [version]: { ...manifest, dist } };
      const time = { [version]: '2020-01-01T00:00:00.000Z' };
      response.end(JSON.stringify({ name, 'dist-tags': { latest: version }, versions, time }));
    } else if (url === `/${name}.tgz`) {
      response.end(bytes);
    } else {
      unknown.push(url ?? '');
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: urlOf(server), unknown, close: () => server.close() };
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
