export function buildTargets(): string[];
export function crossCompiler(target: string): { prefix: string; processor: string } | undefined;
