// The suites by name. `loss` is none of them: bench.ts runs it against memory floors.
import { linear } from './linear';
import type { Suite } from './suite';

export const suites: readonly Suite[] = [linear];

export function suiteNamed(name: string): Suite {
  const suite = suites.find((each) => each.name === name);
  if (suite === undefined) throw new Error(`no suite is called ${name}`);
  return suite;
}
