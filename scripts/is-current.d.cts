export function isCurrent(file: string, others: readonly string[]): boolean;
