// An empty folder outside of the clone, with the runtime, `sh` and `env` on its PATH and nothing else.
import { copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PackageManager } from './package-managers';
import { type Ended, run } from './processes';

/** Nothing listens there. */
const NO_REGISTRY = 'http://127.0.0.1:9/';

export interface Packed {
  tarball: string;
  version: string;
}

export class Application {
  /** A folder from which no package is found. */
  readonly elsewhere: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(
    readonly folder: string,
    readonly manager: PackageManager,
    { tarball, version }: Packed,
    registry = NO_REGISTRY,
  ) {
    const commands = join(folder, 'commands');
    const home = join(folder, 'home');
    this.elsewhere = `${folder}-elsewhere`;
    for (const each of [folder, this.elsewhere, commands, home]) mkdirSync(each, { recursive: true });
    symlinkSync(manager.node.launcher[0], join(commands, 'node'));
    for (const command of ['sh', 'env']) symlinkSync(join('/usr/bin', command), join(commands, command));
    copyFileSync(tarball, join(folder, 'fused-bear-loss.tgz'));
    const wanted = manager.from === 'tarball' ? 'file:fused-bear-loss.tgz' : version;
    const manifest = { name: 'application', private: true, dependencies: { 'fused-bear-loss': wanted } };
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest)}\n`);
    this.#env = {
      PATH: commands,
      HOME: home,
      // pnpm, Bun and Deno read npm's variable, in either case.
      npm_config_registry: registry,
      NPM_CONFIG_REGISTRY: registry,
      YARN_NPM_REGISTRY_SERVER: registry,
      NO_COLOR: '1',
      ...manager.env,
    };
  }

  install(): Promise<Ended> {
    return run(this.manager.install, { cwd: this.folder, env: this.#env });
  }

  /** Starts a program of the folder. */
  start(args: readonly string[], env: Record<string, string> = {}, launcher = this.manager.launcher): Promise<Ended> {
    return run([...launcher, ...args], { cwd: this.folder, env: { ...this.#env, ...env } });
  }

  /** Of the installed package; undefined where it is no folder. */
  get packageFolder(): string | undefined {
    const folder = join(this.folder, 'node_modules', 'fused-bear-loss');
    return existsSync(folder) ? folder : undefined;
  }
}

/** The output of a program that ended well and wrote nothing to stderr. */
export function outputOf({ status, stdout, stderr }: Ended): string {
  if (status !== 0 || stderr !== '')
    throw new Error(`ended with ${status}:\n${stdout.slice(-3000)}\n${stderr.slice(-3000)}`);
  return stdout;
}
