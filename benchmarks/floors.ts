// The memory floors as contenders: what the bytes of a call cost with no arithmetic to speak of.
import type { Case, Pass } from './cases';
import type { Contender, Measurement } from './harness';
import type { BenchAddon, FloorRun } from './native';
import type { Workspace } from './workspace';

const operations: Record<Pass, FloorRun['operation']> = {
  forward: 'read',
  'out of place': 'write',
  'in place': 'in-place',
};

export const floorNames: Record<Pass, string> = {
  forward: 'read floor',
  'out of place': 'write floor',
  'in place': 'in-place floor',
};

const variants = ['plain', 'prefetch'] as const;

function variantName(pass: Pass, variant: string): string {
  return `${floorNames[pass]} (${variant})`;
}

/** A plain loop and a prefetching one: see native/floor_loops.h. */
export function floorContenders({ pass, threads }: Case, workspace: Workspace, addon: BenchAddon): Contender[] {
  return variants.map((variant) => ({
    name: variantName(pass, variant),
    run: (buffer) =>
      addon.runFloor({
        operation: operations[pass],
        variant,
        values: workspace.logits[buffer] as Workspace['logits'][number],
        output: workspace.gradients[buffer],
        // Not 1, so that nothing between here and memory may skip the store.
        factor: -1,
        threads,
      }),
  }));
}

/** The faster of the two loops is the floor: ratios must not profit from a clumsy one. */
export function fastestFloor(pass: Pass, measurements: readonly Measurement[]): Measurement | undefined {
  const names = variants.map((variant) => variantName(pass, variant));
  return measurements
    .filter(({ name }) => names.includes(name))
    .reduce<Measurement | undefined>(
      (best, each) => (best === undefined || each.percentile10 < best.percentile10 ? each : best),
      undefined,
    );
}
