import { parseArgs } from 'node:util';
import { buildAddon } from './build.js';
import { describeFindings, examine, isSound } from './doctor.js';

const { version } = require('../../package.json') as { version: string };

const USAGE = `Usage: fused-bear-loss <command>

Commands:
  doctor [--json]      prints which backend loads, and checks its numbers
  build [--no-cuda]    builds the native addon from source into your cache folder, with CUDA if nvcc is found

Options:
  -h, --help           prints this
  -V, --version        prints the version`;

/**
 * The command line. A mistake in the arguments goes to stderr, with the usage.
 *
 * @param args what follows the name of the program
 * @returns the exit code: 0, or 1 for a mistake, an addon that does not load, wrong numbers or a build that fails
 */
export function main(args: readonly string[] = process.argv.slice(2)): number {
  const exitCode = run(args);
  process.exitCode = exitCode;
  return exitCode;
}

function run(args: readonly string[]): number {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        'no-cuda': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'V' },
      },
    });
    if (values.version) return print(version);
    if (values.help) return print(USAGE);
    const [command, ...rest] = positionals;
    const flags = Object.keys(values).map((name) => `--${name}`);
    const allowed = { doctor: '--json', build: '--no-cuda' }[command ?? ''];
    if (allowed === undefined || rest.length > 0) {
      throw new Error(command === undefined ? 'a command is missing' : `unknown command: ${positionals.join(' ')}`);
    }
    const misplaced = flags.find((flag) => flag !== allowed);
    if (misplaced !== undefined) throw new Error(`${command} does not take ${misplaced}`);
    return command === 'build' ? build(values['no-cuda'] !== true) : doctor(values.json === true);
  } catch (error) {
    console.error(`fused-bear-loss: ${(error as Error).message}\n\n${USAGE}`);
    return 1;
  }
}

function doctor(json: boolean): number {
  const findings = examine();
  print(json ? JSON.stringify(findings) : describeFindings(findings));
  return isSound(findings) ? 0 : 1;
}

function build(cuda: boolean): number {
  const outcome = buildAddon({ cuda });
  if ('file' in outcome) return print(`fused-bear-loss build: wrote ${outcome.file}`);
  for (const line of outcome.failure) console.error(line);
  return 1;
}

function print(text: string): 0 {
  console.log(text);
  return 0;
}
