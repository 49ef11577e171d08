// The application whose pages are tested: a folder of its own, as it is and bundled by Vite.
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { bundleContract } from './bundle-contract';
import { repositoryRoot } from './support';

export interface Application {
  /** The folder that was bundled; pages that nothing bundles load from it too. */
  plain: string;
  bundled: string;
  remove(): void;
}

export async function makeApplication(): Promise<Application> {
  const plain = mkdtempSync(join(tmpdir(), 'fused-bear-loss-pages-'));
  cpSync(join(__dirname, 'pages'), plain, { recursive: true });
  copyFileSync(join(repositoryRoot, 'examples', 'quickstart.mjs'), join(plain, 'quickstart.mjs'));
  await bundleContract(join(plain, 'contract.mjs'));
  const modules = join(plain, 'node_modules');
  mkdirSync(modules);
  symlinkSync(repositoryRoot, join(modules, 'fused-bear-loss'));
  for (const peer of ['@tensorflow', '@jax-js']) {
    symlinkSync(join(repositoryRoot, 'node_modules', peer), join(modules, peer));
  }
  const bundled = join(plain, 'dist');
  bundleByVite(plain, bundled);
  return { plain, bundled, remove: () => rmSync(plain, { recursive: true }) };
}

/** Bundles the application in a folder into another, as `npx vite build` does. */
export function bundleByVite(application: string, outDir: string): void {
  const vite = join(dirname(require.resolve('vite/package.json')), 'bin', 'vite.js');
  execFileSync(process.execPath, [vite, 'build', '--outDir', outDir, '--logLevel', 'error', '--base', './'], {
    cwd: application,
    stdio: 'inherit',
    env: { ...process.env, NODE_ENV: 'production' },
  });
}
