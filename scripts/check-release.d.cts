export function findProblems(folder: string): string[];
export function neededGlibc(file: string): string;
