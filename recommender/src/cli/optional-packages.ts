import { existsSync } from 'node:fs';
import { join } from 'node:path';

const { peerDependencies } = require('../../package.json') as { peerDependencies: Readonly<Record<string, string>> };

/** What the recommender needs and the loss does not: optional peers of the package, installed by who wants them. */
export const RECOMMENDER_PACKAGES = [
  '@jax-js/jax',
  'llama3-tokenizer-js',
  'csv-parse',
  'cli-progress',
  'cli-table3',
] as const;
/** What the plots of `compare` need. */
export const PLOT_PACKAGES = ['vega', 'vega-lite'] as const;

/** Not require.resolve: some of these are ES modules only. */
function isInstalled(name: string): boolean {
  return (require.resolve.paths(name) ?? []).some((folder) => existsSync(join(folder, name, 'package.json')));
}

function missingPackages(names: readonly string[]): string[] {
  return names.filter((name) => !isInstalled(name));
}

/** The command that installs packages in the versions that this package was made for. */
function installCommand(names: readonly string[]): string {
  return `npm install ${names.map((name) => `"${name}@${peerDependencies[name]}"`).join(' ')}`;
}

/** @throws Error that says in one line what to install */
export function requirePackages(command: string, names: readonly string[]): void {
  const missing = missingPackages(names);
  if (missing.length === 0) return;
  throw new Error(`${command} needs packages that are not installed: ${installCommand(missing)}`);
}
