export function countSweep(instructionSet: 'avx2' | 'neon'): number;
/** Undefined: it can be counted. */
export function whyNotCounted(instructionSet: 'avx2' | 'neon'): string | undefined;
