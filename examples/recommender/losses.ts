import type { BearLossOptions } from 'fused-bear-loss';
import { BEAM_WIDTH } from './evaluate.js';

export interface NamedLoss {
  name: string;
  options: BearLossOptions;
}

/** All three see only the tokens that the catalogue allows; see the README for the formulas. */
export const LOSSES: readonly NamedLoss[] = [
  { name: 'masked SFT (MSL)', options: { penalty: 'none', beamWidth: BEAM_WIDTH } },
  { name: 'BEAR, hinge', options: { penalty: 'hinge', lambda: 0.25, beamWidth: BEAM_WIDTH } },
  {
    name: "BEAR, authors' form",
    options: { penalty: 'reweight', reduction: 'weighted-mean', lambda: 0.25, xi: 2.75, beamWidth: BEAM_WIDTH },
  },
];
