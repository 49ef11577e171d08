import type { Command } from 'commander';
import { capabilities } from '../index.js';
import { missingPackages, PLOT_PACKAGES, RECOMMENDER_PACKAGES } from './optional-packages.js';

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('prints what this machine and this installation can do, and what is missing')
    .option('--json', 'as JSON')
    .action(({ json }: { json?: boolean }) => console.log(json ? JSON.stringify(examine()) : describe(examine())));
}

function examine() {
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    capabilities: capabilities(),
    missing: {
      recommender: missingPackages(RECOMMENDER_PACKAGES),
      plots: missingPackages(PLOT_PACKAGES),
    },
  };
}

function describe({ node, platform, capabilities: can, missing }: ReturnType<typeof examine>): string {
  const { version, instructionSet, instructionSets, threads, cuda, warnings } = can;
  const devices = cuda.devices.map(({ index, name }) => `${index}: ${name}`).join(', ');
  const needs = (names: string[]) => (names.length === 0 ? 'ready' : `missing; npm install ${names.join(' ')}`);
  return [
    `fused-bear-loss ${version} on Node ${node}, ${platform}`,
    `CPU kernel   ${instructionSet} (of ${instructionSets.join(', ')}), ${threads} threads`,
    `CUDA         ${cuda.available ? devices : `not available: ${cuda.reason ?? 'no reason known'}`}`,
    `recommender  ${needs(missing.recommender)} (train, recommend, compare, demo)`,
    `plots        ${needs(missing.plots)} (compare)`,
    ...warnings.map((warning) => `warning      ${warning}`),
  ].join('\n');
}
