const OF_ARCHITECTURE: Partial<Record<NodeJS.Architecture, string[]>> = { x64: ['avx2', 'avx512'], arm64: ['neon'] };

/** Those that the kernels of a build for this architecture are compiled for, the plainest first. */
export const INSTRUCTION_SETS: readonly string[] = ['baseline', ...(OF_ARCHITECTURE[process.arch] ?? [])];

/** Those and what only products have, as FUSED_BEAR_LOSS_INSTRUCTION_SET takes them. */
export const PRODUCT_INSTRUCTION_SETS: readonly string[] = [
  ...INSTRUCTION_SETS,
  ...(process.arch === 'x64' ? ['amx'] : []),
];
