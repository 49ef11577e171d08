import { type Capabilities, capabilities } from '../index.js';
import { type Backend, withBackend } from '../native/backend.js';
import { type AddonAttempt, loadAddon } from '../native/load-addon.js';
import { target } from '../native/target.js';
import { wrongNumbers } from './golden-case.js';

/** What is wrong with a backend's results of a small problem whose results are known, or why it does not load. */
export type Check = { backend: Backend['name'] } & ({ wrong: string[] } | { failure: string });

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
  /** Of both backends, whichever computes. */
  checks: Check[];
}

/** What this machine and this installation can do, and what is missing. */
export function examine(): Findings {
  const found = loadAddon();
  return {
    node: process.version,
    platform: target(),
    addon: found.addon === undefined ? { failure: found.reason } : { file: found.file },
    attempts: found.attempts,
    kernel: orFailure(capabilities),
    checks: (['native', 'wasm'] as const).map((backend) => ({
      backend,
      ...orFailure(() => ({ wrong: withBackend(backend, wrongNumbers) })),
    })),
  };
}

/** Whether an application can rely on this installation. A backend that does not load takes nothing from the other. */
export function isSound({ kernel, checks }: Findings): boolean {
  return !('failure' in kernel) && checks.every((check) => 'failure' in check || check.wrong.length === 0);
}

function orFailure<T>(call: () => T): T | { failure: string } {
  try {
    return call();
  } catch (error) {
    return { failure: (error as Error).message };
  }
}

/** The findings in lines for a person. */
export function describeFindings({ node, platform, addon, attempts, kernel, checks }: Findings): string {
  if ('failure' in kernel) {
    return `fused-bear-loss on Node ${node}, ${platform}\nkernel       not loaded: ${kernel.failure}`;
  }
  return [
    `fused-bear-loss ${kernel.version} on Node ${node}, ${platform}`,
    `addon        ${'file' in addon ? addon.file : `none: ${addon.failure}`}`,
    ...attempts.map(({ file, reason }) => `not used     ${file}: ${reason}`),
    ...describeKernel(kernel),
    ...checks.flatMap(describeCheck),
  ].join('\n');
}

function describeCheck(check: Check): string[] {
  const { backend } = check;
  if ('failure' in check) return [`numbers      ${backend}: not checked, as it does not load: ${check.failure}`];
  if (check.wrong.length > 0) return check.wrong.map((problem) => `numbers      ${backend}: wrong: ${problem}`);
  return [`numbers      ${backend}: right (loss, threshold, rank and gradient of a problem whose results are known)`];
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
