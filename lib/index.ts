export { fusedLinearBearLoss } from './linear/fused-linear-bear-loss.js';
export { fusedLinearBearLossAsync } from './linear/fused-linear-bear-loss-async.js';
export { type LinearTopTokensOptions, linearTopTokens } from './linear/linear-top-tokens.js';
export type { FactorArray, Matrix, Tensor } from './linear/matrices.js';
export type {
  AsyncLinearBearLossOptions,
  BiasedTokenLists,
  LinearBearLossOptions,
  LinearNeed,
  LinearOutput,
} from './linear/options.js';
export type { LinearBearLossResult, SparseRows } from './linear/result.js';
export { type Capabilities, type CudaDevice, capabilities } from './loss/capabilities.js';
export { fusedBearLoss } from './loss/fused-bear-loss.js';
export { fusedBearLossAsync } from './loss/fused-bear-loss-async.js';
export type { Logits, LogitsTensor } from './loss/logits.js';
export type { RowStatistics } from './loss/outputs.js';
export type { BearLossResult, LossCounts } from './loss/result.js';
export type { Targets } from './loss/targets.js';
export { type TopTokensOptions, topTokens } from './loss/top-tokens.js';
export type { TopTokensOutput, TopTokensResult } from './loss/top-tokens-result.js';
export type { BearErrorCode, BearErrorDetails, BearLossError } from './options/errors.js';
export type {
  AllowedTokenBitmask,
  AllowedTokenLists,
  AsyncBearLossOptions,
  BearLossOptions,
  Device,
  DType,
  GradientOutput,
  LogitsArray,
  Penalty,
  Reduction,
  ThresholdGradient,
} from './options/options.js';
export { bearPartials } from './parallel/bear-partials.js';
export { bearShardGradient } from './parallel/bear-shard-gradient.js';
export { mergeBearPartials } from './parallel/merge-bear-partials.js';
export type { BearPartials, MergedRows } from './parallel/messages.js';
export type { SharedOptions, VocabularyPartOptions } from './parallel/part-options.js';
