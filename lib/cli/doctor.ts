import { type Capabilities, capabilities } from '../index.js';
import { type AddonAttempt, loadAddon } from '../native/load-addon.js';
import { target } from '../native/target.js';
import { wrongNumbers } from './golden-case.js';

export interface Findings {
  node: string;
  /** As `linux-x64-glibc`. */
  platform: string;
  /** The native addon's file, or why there is none. */
  addon: { file: string } | { failure: string };
  /** Files that come before it and could not be used. */
  attempts: AddonAttempt[];
  /** Or why nothing could be loaded. */
  kernel: Capabilities | { failure: string };
  /** What is wrong with the results of a small problem whose results are known. Empty: nothing. */
  wrong: string[];
}

/** What this machine and this installation can do, and what is missing. */
export function examine(): Findings {
  const found = loadAddon();
  const kernel = orFailure(capabilities);
  return {
    node: process.version,
    platform: target(),
    addon: found.addon === undefined ? { failure: found.reason } : { file: found.file },
    attempts: found.attempts,
    kernel,
    wrong: 'failure' in kernel ? [] : wrongNumbers(),
  };
}

/** Whether an application can rely on this installation. */
export function isSound({ kernel, wrong }: Findings): boolean {
  return !('failure' in kernel) && wrong.length === 0;
}

function orFailure<T>(call: () => T): T | { failure: string } {
  try {
    return call();
  } catch (error) {
    return { failure: (error as Error).message };
  }
}

/** The findings in lines for a person. */
export function describeFindings({ node, platform, addon, attempts, kernel, wrong }: Findings): string {
  if ('failure' in kernel) {
    return `fused-bear-loss on Node ${node}, ${platform}\nkernel       not loaded: ${kernel.failure}`;
  }
  return [
    `fused-bear-loss ${kernel.version} on Node ${node}, ${platform}`,
    `addon        ${'file' in addon ? addon.file : `none: ${addon.failure}`}`,
    ...attempts.map(({ file, reason }) => `not used     ${file}: ${reason}`),
    ...describeKernel(kernel),
    ...(wrong.length === 0
      ? ['numbers      right: loss, threshold, rank and gradient of a problem whose results are known']
      : wrong.map((problem) => `numbers      wrong: ${problem}`)),
  ].join('\n');
}

function describeKernel(capabilities: Capabilities): string[] {
  const { backend, reason, instructionSet, instructionSets, tuning, threads, cuda, warnings } = capabilities;
  const devices = cuda.devices.map(({ index, name }) => `${index}: ${name}`).join(', ');
  return [
    `backend      ${backend}${reason === undefined ? '' : ` (${reason})`}`,
    `CPU kernel   ${instructionSet} (of ${instructionSets.join(', ')}), tuned for ${tuning}, ${threads} threads`,
    `CUDA         ${cuda.available ? devices : `not available: ${cuda.reason ?? 'no reason known'}`}`,
    ...warnings.map((warning) => `warning      ${warning}`),
  ];
}
