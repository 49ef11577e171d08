// How a call crosses to the addon: by position, as reading forty fields by name was 41 % of a small call.
import { CROSSING_OPTIONS } from '../options/option-table.js';

const ARRAY_FIELDS = [
  'logits',
  'targets',
  'gradLogits',
  'tokenWeights',
  'penaltyWeights',
  'gradOutputRows',
  'allowedOffsets',
  'allowedTokens',
  'allowedBitmask',
  'rowLosses',
  'nll',
  'logSumExp',
  'threshold',
  'margins',
  'penalties',
  'rank',
] as const;

/** The name of an array of a call. */
export type ArrayField = (typeof ARRAY_FIELDS)[number];

/** Those arrays of the linear form that may be anywhere. */
export const LENDABLE = [
  'hidden',
  'weight',
  'bias',
  'allowedBias',
  'gradHidden',
  'gradWeight',
  'gradBias',
  'gradAllowedBias',
] as const;

/** The positions of native/core/call_fields.h, compared with the addon's when it is loaded. */
export const CALL_FIELDS = {
  numbers: [
    'device',
    'rows',
    'vocabSize',
    'rowStride',
    'dtype',
    'gradient',
    'gradOutput',
    'threads',
    'gradRowStride',
    'gradIsNew',
    ...CROSSING_OPTIONS.map(({ name }) => name),
  ],
  arrays: ARRAY_FIELDS,
  summary: ['loss', 'countedRows', 'prunedRows', 'topRankedRows'],
  topTokensNumbers: [
    'rows',
    'vocabSize',
    'rowStride',
    'dtype',
    'beamWidth',
    'temperature',
    'softcap',
    'listedLogits',
    'threads',
  ],
  linearNumbers: ['hiddenSize', 'operandDType', 'accumulate', 'weightIsZero', 'workspaceBytes'],
  linearArrays: [...LENDABLE, 'weightTokens'],
};
