// What has to be built before a check, a rehearsal or an archive.
import { spawnSync } from 'node:child_process';

const forCard = ['build', 'build:device-check'];
const forRehearsal = ['build', 'build:emulated', 'build:device-check-emulated'];

export type Purpose = 'check' | 'rehearsal' | 'archive';

function hasCompiler(): boolean {
  return process.env.CUDACXX !== undefined || spawnSync('nvcc', ['--version']).status === 0;
}

/** Without nvcc there is nothing for a card. Throws where a build fails. */
export function build(purpose: Purpose, root: string): void {
  const wanted = purpose === 'archive' ? [...forRehearsal, ...forCard] : purpose === 'check' ? forCard : forRehearsal;
  const scripts = new Set(wanted.filter((script) => script !== 'build:device-check' || hasCompiler()));
  for (const script of scripts) {
    const { status } = spawnSync('npm', ['run', '--silent', script], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (status !== 0) throw new Error(`npm run ${script} failed`);
  }
}
