/** The mutants that no case can find, each with the reason why. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sources from '../../../native/sources.json';
import { type Mutant, mutantsOf, nameOf } from './mutants';
import survivors from './survivors.json';

export const kernelsFolder = 'native/cuda/kernels';

/** Which words an error has is what test/cuda/errors.test.ts is for. */
export const hostFiles: readonly string[] = sources.cuda.host.filter((file) => !file.endsWith('cuda_status.cc'));

/** All mutants of the host code around the kernels as it is below `root`. */
export function mutantsOfHost(root: string): Mutant[] {
  return hostFiles.flatMap((file) => mutantsOf(file, readFileSync(join(root, file), 'utf8')));
}

/** All mutants of the kernels as they are below `root`. */
export function mutantsOfKernels(root: string): Mutant[] {
  return readdirSync(join(root, kernelsFolder))
    .sort()
    .map((name) => `${kernelsFolder}/${name}`)
    .flatMap((file) => mutantsOf(file, readFileSync(join(root, file), 'utf8')));
}

export const listedSurvivors: ReadonlySet<string> = new Set(survivors.map(nameOf));

/** Entries of lines that have changed since: nobody knows whether their reason still holds. */
export function staleSurvivors(mutants: readonly Mutant[]): string[] {
  const names = new Set(mutants.map(nameOf));
  return [...listedSurvivors].filter((name) => !names.has(name));
}
