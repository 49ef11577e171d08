// How each package manager installs, and how programs are started in what it installed.
import { BUN, DENO, NODE_20, NODE_22, NODE_24, NPM_11, NPM_12, PNPM, type Runtime, versionOf, YARN } from './runtimes';

export interface PackageManager {
  name: string;
  /** What is called `node` on the PATH. */
  node: Runtime;
  /** Run in the application's folder. */
  install: readonly string[];
  /** How package.json names the package: the tarball's file, or its version in a registry. */
  from: 'tarball' | 'registry';
  /** What starts a program there. */
  launcher: readonly string[];
  env?: Record<string, string>;
  /** What it warns of on behalf of its own settings. */
  expectedWarning?: RegExp;
  /** Plug'n'Play serves a program of no package as it serves the application. */
  servesAll?: true;
  /** Why TypeScript does not resolve the package there. */
  noTypes?: string;
}

const node = ({ launcher }: Runtime) => launcher[0];
const quiet = ['--no-audit', '--no-fund', '--no-update-notifier'];

export const PACKAGE_MANAGERS: readonly PackageManager[] = [
  {
    name: `npm ${versionOf('npm11')} on ${NODE_20.name}`,
    node: NODE_20,
    // It asks the registry about optional peers, and waits minutes for an answer (docs/install.md).
    install: [node(NODE_20), NPM_11, 'install', ...quiet, '--offline', '--legacy-peer-deps'],
    from: 'tarball',
    launcher: NODE_20.launcher,
  },
  {
    name: `npm ${versionOf('npm12')} on ${NODE_24.name}`,
    node: NODE_24,
    install: [node(NODE_24), NPM_12, 'install', ...quiet],
    from: 'tarball',
    launcher: NODE_24.launcher,
  },
  {
    name: `pnpm ${versionOf('pnpm')} with ${NODE_22.name}`,
    node: NODE_22,
    install: [PNPM, 'install'],
    from: 'tarball',
    launcher: NODE_22.launcher,
  },
  {
    name: `Yarn ${versionOf('yarn')}, node_modules, on ${NODE_22.name}`,
    node: NODE_22,
    install: [node(NODE_22), YARN, 'install'],
    from: 'tarball',
    launcher: NODE_22.launcher,
    env: { YARN_NODE_LINKER: 'node-modules' },
  },
  {
    name: `Yarn ${versionOf('yarn')}, Plug'n'Play, on ${NODE_24.name}`,
    node: NODE_24,
    install: [node(NODE_24), YARN, 'install'],
    from: 'tarball',
    launcher: [node(NODE_24), YARN, 'node'],
    // Without it no ES module finds any package.
    env: { YARN_PNP_ENABLE_ESM_LOADER: '1' },
    expectedWarning: /ESM support for PnP uses the experimental loader API[\s\S]*Done with warnings/,
    servesAll: true,
    noTypes: "TypeScript itself knows no Plug'n'Play",
  },
  {
    name: BUN.name,
    node: NODE_24,
    install: [BUN.launcher[0], 'install'],
    from: 'tarball',
    launcher: BUN.launcher,
  },
  {
    name: DENO.name,
    node: NODE_24,
    install: [DENO.launcher[0], 'install', '--node-modules-dir'],
    from: 'registry',
    launcher: DENO.launcher,
  },
];
