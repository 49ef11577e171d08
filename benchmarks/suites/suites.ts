// The suites by name. `loss` is none of them: bench.ts runs it against memory floors.
import { allowed } from './allowed';
import { beam } from './beam';
import { frameworks } from './frameworks';
import { linear } from './linear';
import { parallel } from './parallel';
import type { Suite } from './suite';

export const suites: readonly Suite[] = [linear, allowed, parallel, beam, frameworks];

export function suiteNamed(name: string): Suite {
  const suite = suites.find((each) => each.name === name);
  if (suite === undefined) throw new Error(`no suite is called ${name}`);
  return suite;
}
