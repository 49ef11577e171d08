// A browser, a server on loopback, and what pages load from it.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, resolve, sep } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

export const repositoryRoot = resolve(__dirname, '../..');

const CHROMIUM = process.env.FUSED_BEAR_LOSS_CHROMIUM ?? '/usr/bin/chromium';

/** Undefined: pages can be tested. */
export function whyNoPages(): string | undefined {
  if (!existsSync(CHROMIUM)) return `there is no ${CHROMIUM}; Debian: apt install chromium`;
  const files = ['dist/wasm/module-bytes.js', 'dist/browser/index.mjs'];
  const missing = files.find((file) => !existsSync(join(repositoryRoot, file)));
  return missing && `npm run build did not make ${missing}`;
}

/** With an empty profile of its own, which it removes when it is closed. */
export function openBrowser(): Promise<Browser> {
  const unwanted = ['quic', 'background-networking', 'component-update', 'sync'].map((name) => `--disable-${name}`);
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', ...unwanted],
  });
}

const TYPES: Record<string, string> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** What `?csp` and `?isolated` of a page's address ask for. */
const HEADERS: Record<string, Record<string, string>> = {
  csp: { 'Content-Security-Policy': "script-src 'self'" },
  isolated: { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' },
};

export interface Pages {
  /** As `http://127.0.0.1:4321`. */
  address: string;
  close(): Promise<void>;
}

/** Serves folders, each under its name. */
export async function servePages(folders: Record<string, string>): Promise<Pages> {
  const server: Server = createServer((request, response) => {
    const { pathname, search } = new URL(request.url ?? '', 'http://page');
    const [, name = '', ...path] = pathname.split('/');
    const folder = folders[name];
    const file = folder && join(folder, ...path);
    if (!file?.startsWith(`${folder}${sep}`) || !statSync(file, { throwIfNoEntry: false })?.isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'text/plain', ...HEADERS[search.slice(1)] });
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
