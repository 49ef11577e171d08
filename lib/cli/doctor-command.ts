import type { Command } from 'commander';
import { type Capabilities, capabilities } from '../index.js';
import { installCommand, missingPackages, PLOT_PACKAGES, RECOMMENDER_PACKAGES } from './optional-packages.js';
import { print } from './terminal.js';

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('prints what this machine and this installation can do, and what is missing')
    .option('--json', 'as JSON')
    .action(({ json }: { json?: boolean }) => {
      const findings = examine();
      // JSON stays as it is: it is for programs.
      if (json) console.log(JSON.stringify(findings));
      else print(describe(findings));
      if ('failure' in findings.kernel) process.exitCode = 1;
    });
}

interface Findings {
  node: string;
  platform: string;
  /** Or why the addon could not be loaded. */
  kernel: Capabilities | { failure: string };
  missing: { recommender: string[]; plots: string[] };
}

function examine(): Findings {
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    kernel: examineKernel(),
    missing: {
      recommender: missingPackages(RECOMMENDER_PACKAGES),
      plots: missingPackages(PLOT_PACKAGES),
    },
  };
}

function examineKernel(): Findings['kernel'] {
  try {
    return capabilities();
  } catch (error) {
    return { failure: (error as Error).message };
  }
}

function describe({ node, platform, kernel, missing }: Findings): string {
  const needs = (names: string[]) => (names.length === 0 ? 'ready' : `not ready: ${installCommand(names)}`);
  return [
    ...('failure' in kernel
      ? [`fused-bear-loss on Node ${node}, ${platform}`, `kernel       not loaded: ${kernel.failure}`]
      : [`fused-bear-loss ${kernel.version} on Node ${node}, ${platform}`, ...describeKernel(kernel)]),
    `recommender  ${needs(missing.recommender)} (train, recommend, compare, demo)`,
    `plots        ${needs(missing.plots)} (compare)`,
  ].join('\n');
}

function describeKernel({ instructionSet, instructionSets, threads, cuda, warnings }: Capabilities): string[] {
  const devices = cuda.devices.map(({ index, name }) => `${index}: ${name}`).join(', ');
  return [
    `CPU kernel   ${instructionSet} (of ${instructionSets.join(', ')}), ${threads} threads`,
    `CUDA         ${cuda.available ? devices : `not available: ${cuda.reason ?? 'no reason known'}`}`,
    ...warnings.map((warning) => `warning      ${warning}`),
  ];
}
