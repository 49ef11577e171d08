import { backend } from '../native/backend.js';
import { cpuWarnings } from '../native/warnings.js';
import { fail } from '../options/errors.js';
import { resolveThreads, threadsOverrideError } from './threads.js';

const { version } = require('../../package.json') as { version: string };

export interface CudaDevice {
  /** The number in `cuda:0`. */
  index: number;
  name: string;
  /** As `9.0`. */
  computeCapability: string;
  /** Total memory of the device, in bytes. */
  memoryBytes: number;
}

export interface Capabilities {
  /** Of this package. */
  version: string;
  /** What computes: the native addon, or the WebAssembly module. FUSED_BEAR_LOSS_BACKEND forces one. */
  backend: 'native' | 'wasm';
  /** Why it is not the native addon, which is several times faster. */
  reason?: string;
  /** The one that the CPU kernels use: `baseline`, `avx2`, `avx512`, `amx` (AVX-512, and AMX for bfloat16 products) or `neon`; `wasm-simd128` in the module. FUSED_BEAR_LOSS_INSTRUCTION_SET chooses another. */
  instructionSet: string;
  /** All that this processor and this build have. */
  instructionSets: string[];
  /** The processor family for whose caches the CPU kernels are tuned: `zen4`, `sapphire-rapids`, or `default` for any other. Or what FUSED_BEAR_LOSS_TUNING asks for. It changes times, never results. */
  tuning: string;
  /** Threads of a call that does not say; 1 in the module, whatever a call says. FUSED_BEAR_LOSS_THREADS changes it. */
  threads: number;
  cuda: {
    /** Whether this addon has a CUDA backend. */
    built: boolean;
    /** Whether a device can be used. */
    available: boolean;
    /** Why not. */
    reason?: string;
    devices: CudaDevice[];
  };
  /** What the environment asks for and does not get, and why. Usually empty. */
  warnings: string[];
}

/**
 * Returns what this machine and this build of the addon can do, and why not more.
 *
 * @throws Error `ERR_BEAR_ADDON_NOT_FOUND`, or RangeError `ERR_BEAR_OUT_OF_MEMORY`
 *
 * @example
 * const { instructionSet, threads, cuda } = capabilities();
 */
export function capabilities(): Capabilities {
  const { name, binding, reason: backendReason } = backend();
  const cpu = binding.cpuInfo();
  const cuda = binding.cudaInfo();
  if ('status' in cuda) fail('ERR_BEAR_OUT_OF_MEMORY', 'capabilities', 'memory to describe the devices in');
  const { built, available, reason, devices } = cuda;
  const threadsError = threadsOverrideError();
  return {
    version,
    backend: name,
    ...(backendReason !== undefined && { reason: backendReason }),
    instructionSet: cpu.instructionSet,
    instructionSets: Array.from(cpu.instructionSets),
    tuning: cpu.tuning,
    threads: name === 'wasm' ? 1 : resolveThreads(undefined),
    cuda: {
      built,
      available,
      ...(reason !== '' && { reason }),
      devices: Array.from(devices, ({ index, name, computeCapability, memoryBytes }) => ({
        index,
        name,
        computeCapability,
        memoryBytes,
      })),
    },
    warnings: [...(threadsError === undefined ? [] : [threadsError]), ...cpuWarnings(binding)],
  };
}
