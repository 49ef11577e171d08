export { BearLoss } from './loss/bear-loss.js';
export { type Capabilities, capabilities } from './loss/capabilities.js';
export type { BearErrorCode, BearErrorDetails, BearLossError } from './loss/errors.js';
export { fusedBearLoss } from './loss/fused-bear-loss.js';
export { fusedBearLossAsync } from './loss/fused-bear-loss-async.js';
export type { Logits, LogitsTensor } from './loss/logits.js';
export type {
  AllowedTokenBitmask,
  AllowedTokenLists,
  BearLossOptions,
  Device,
  DType,
  GradientOutput,
  LogitsArray,
  Penalty,
  Reduction,
  ThresholdGradient,
} from './loss/options.js';
export type { RowStatistics } from './loss/outputs.js';
export type { BearLossResult } from './loss/result.js';
export type { Targets } from './loss/targets.js';
export { type TopTokensOptions, type TopTokensOutput, type TopTokensResult, topTokens } from './loss/top-tokens.js';
