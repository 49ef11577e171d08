// What a search and a model exchange.
import type { TopTokensResult } from '../loss/top-tokens-result.js';
import type { TokenLists } from './token-trie.js';

/** What the model is asked at one step: N rows, each a prefix of some user. */
export interface StepRequest<State> {
  /** `[N]`: the user of each row. Rows of one user are next to each other. */
  users: Int32Array;
  /** `[N]`: the row of the previous call that each row continues; -1 at the first step. */
  parents: Int32Array;
  /** What the previous call returned; undefined at the first step. */
  state: State | undefined;
  /**
   * N lists: the tokens of each row since its parent row (at the first step: since the start of the sequence). One token,
   * and with `forcedTokens: 'skip'` the forced ones after it.
   */
  consumed: TokenLists;
  /** `[N]`: the trie node at which each row stands. */
  nodes: Int32Array;
  /** N lists: the tokens that may follow, ascending; the same constraint that the loss takes. */
  allowed: TokenLists;
  /** What the search would ask `topTokens`; a step that answers with `top` passes it to `linearTopTokens`. */
  ranking: Ranking;
}

export interface Ranking {
  /** B: the most tokens of a row that are looked at. */
  beamWidth: number;
  temperature: number;
  softcap: number | undefined;
}

export interface StepLogits<State> {
  /**
   * Logits of the next token: `[N, V]` row by row, or with layout 'allowed' one for each entry of `request.allowed.tokens`.
   * Doubles are rounded to float32.
   */
  logits: Float32Array | Float64Array;
  /** @default 'dense' */
  layout?: 'dense' | 'allowed';
  top?: undefined;
  /** Whatever the model needs to continue these rows; handed back at the next step. */
  state: State;
}

export interface StepTop<State> {
  /** In place of logits: the allowed tokens of each row as `request.ranking` has them, such as `linearTopTokens` returns. */
  top: Pick<TopTokensResult, 'tokens' | 'logProbabilities'>;
  logits?: undefined;
  layout?: undefined;
  state: State;
}

export type StepResult<State> = StepLogits<State> | StepTop<State>;

export type StepFunction<State> = (request: StepRequest<State>) => StepResult<State> | Promise<StepResult<State>>;
