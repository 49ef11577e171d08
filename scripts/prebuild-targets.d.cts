export const SHIPPED_TARGETS: string[];
/** A path in the package. */
export function addonFile(target: string): string;
export function buildTargets(): string[];
export function crossCompiler(target: string): { prefix: string; processor: string } | undefined;
export function isCurrent(target: string): boolean;
