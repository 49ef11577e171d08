/** Paths in the package. */
export const ADDONS: string[];
export function findProblems(folder: string): string[];
export function neededGlibc(file: string): string;
