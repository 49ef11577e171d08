import type { Dataset } from './dataset.js';

export const SPLITS = ['user', 'time', 'leave-one-out'] as const;
export type SplitName = (typeof SPLITS)[number];

/** How a benchmark is run and reported, by its split: where nothing else is asked for. */
export interface Protocol {
  beamWidth?: number;
  /** Most recent items that the model reads. */
  historyPlaces?: number;
  /** Hit ratio and NDCG are reported at these. */
  cutoffs: readonly number[];
}

const PROTOCOLS: Readonly<Record<SplitName, Protocol>> = {
  user: { cutoffs: [5, 10] },
  time: { cutoffs: [5, 10] },
  'leave-one-out': { beamWidth: 20, historyPlaces: 20, cutoffs: [10, 20] },
};

/** The split of data where none is asked for. */
export function defaultSplit({ isUntimed }: Dataset): SplitName {
  return isUntimed ? 'leave-one-out' : 'user';
}

/** The options that a split sets where they are not given. */
export function protocolOptions(split: SplitName): Omit<Protocol, 'cutoffs'> {
  const { cutoffs: _, ...options } = PROTOCOLS[split];
  return options;
}

/** At which a search of this width is reported: the protocol's, none above the width. */
export function cutoffsOf({ split, beamWidth }: { split: SplitName; beamWidth: number }): number[] {
  return [...new Set(PROTOCOLS[split].cutoffs.map((k) => Math.min(k, beamWidth)))];
}

/** The one that training and comparisons decide by. */
export function mainCutoff({ beamWidth }: { beamWidth: number }): number {
  return Math.min(10, beamWidth);
}
