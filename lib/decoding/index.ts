export { type BeamSearchOptions, beamSearch } from './beam-search.js';
export { type ExactTopItemsOptions, exactTopItems } from './exact-top-items.js';
export type { DecodingOptions, StepFunction, StepRequest, StepResult } from './prefix-step.js';
export { type RankedItem, rankOfItem } from './ranked-item.js';
export { hitRatioAt, ndcgAt, type PruningRate, pruningRate } from './ranking-metrics.js';
export { type TokenLists, TokenTrie } from './token-trie.js';
