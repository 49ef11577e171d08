import { parseArgs } from 'node:util';
import { describeFindings, examine } from './doctor.js';

const { version } = require('../../package.json') as { version: string };

const USAGE = `Usage: fused-bear-loss <command>

Commands:
  doctor [--json]  prints what this machine and this installation can do, and what is missing

Options:
  -h, --help       prints this
  -V, --version    prints the version`;

/**
 * The command line. A mistake in the arguments goes to stderr, with the usage.
 *
 * @param args what follows the name of the program
 * @returns the exit code: 0, or 1 for a mistake or an addon that does not load
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
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'V' },
      },
    });
    if (values.version) return print(version);
    if (values.help) return print(USAGE);
    const [command, ...rest] = positionals;
    if (command !== 'doctor' || rest.length > 0) {
      throw new Error(command === undefined ? 'a command is missing' : `unknown command: ${positionals.join(' ')}`);
    }
    const findings = examine();
    print(values.json ? JSON.stringify(findings) : describeFindings(findings));
    return 'failure' in findings.kernel ? 1 : 0;
  } catch (error) {
    console.error(`fused-bear-loss: ${(error as Error).message}\n\n${USAGE}`);
    return 1;
  }
}

function print(text: string): 0 {
  console.log(text);
  return 0;
}
