export { type BeamSearchOptions, beamSearch } from './beam-search.js';
export { type ExactTopItemsOptions, exactTopItems } from './exact-top-items.js';
export { type RankedItem, rankOfItem } from './ranked-item.js';
export {
  discountedGainsAt,
  hitRatioAt,
  hitsAt,
  meanReciprocalRank,
  ndcgAt,
  type PruningRate,
  pruningRate,
  pruningRows,
  reciprocalRanks,
} from './ranking-metrics.js';
export type { DecodingOptions } from './search-options.js';
export type { Ranking, StepFunction, StepLogits, StepRequest, StepResult, StepTop } from './step.js';
export {
  prunedByStep,
  type StepPruning,
  type TargetTrace,
  type TargetTraceOptions,
  traceTargets,
} from './target-trace.js';
export { type TokenLists, TokenTrie } from './token-trie.js';
