import { type Capabilities, capabilities } from '../index.js';

export interface Findings {
  node: string;
  platform: string;
  /** Or why the addon could not be loaded. */
  kernel: Capabilities | { failure: string };
}

/** What this machine and this installation can do, and what is missing. */
export function examine(): Findings {
  return { node: process.version, platform: `${process.platform}-${process.arch}`, kernel: examineKernel() };
}

function examineKernel(): Findings['kernel'] {
  try {
    return capabilities();
  } catch (error) {
    return { failure: (error as Error).message };
  }
}

/** The findings in lines for a person. */
export function describeFindings({ node, platform, kernel }: Findings): string {
  if ('failure' in kernel) {
    return `fused-bear-loss on Node ${node}, ${platform}\nkernel       not loaded: ${kernel.failure}`;
  }
  return [`fused-bear-loss ${kernel.version} on Node ${node}, ${platform}`, ...describeKernel(kernel)].join('\n');
}

function describeKernel(capabilities: Capabilities): string[] {
  const { backend, reason, instructionSet, instructionSets, threads, cuda, warnings } = capabilities;
  const devices = cuda.devices.map(({ index, name }) => `${index}: ${name}`).join(', ');
  return [
    `backend      ${backend}${reason === undefined ? '' : ` (${reason})`}`,
    `CPU kernel   ${instructionSet} (of ${instructionSets.join(', ')}), ${threads} threads`,
    `CUDA         ${cuda.available ? devices : `not available: ${cuda.reason ?? 'no reason known'}`}`,
    ...warnings.map((warning) => `warning      ${warning}`),
  ];
}
