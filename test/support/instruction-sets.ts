const OF_ARCHITECTURE: Partial<Record<NodeJS.Architecture, string[]>> = { x64: ['avx2', 'avx512'], arm64: ['neon'] };

/** Those that a build for this architecture contains, the plainest first. */
export const INSTRUCTION_SETS: readonly string[] = ['baseline', ...(OF_ARCHITECTURE[process.arch] ?? [])];
