import type { StepFunction } from '../decoding/index.js';
import type { Catalogue } from './catalogue.js';
import type { Row } from './dataset.js';

/**
 * Watches a beam search with `forcedTokens: 'skip'`: at which decision, counted from 0, the beam of each row loses the row's
 * target. Rows that keep it to the end have the number of decisions of their target's title.
 */
export class PrunedSteps {
  /** By row: how many decisions the target's prefix has survived. */
  readonly survived: Int32Array;
  private readonly paths: number[][];
  private decision = 0;

  constructor(catalogue: Catalogue, rows: readonly Row[]) {
    this.survived = new Int32Array(rows.length);
    this.paths = rows.map(({ target }) =>
      (catalogue.choices[catalogue.indexOf.get(target) as number] ?? []).map(({ node }) => node),
    );
  }

  /** A step function that does as `step` and takes note. For one search of all rows at once. */
  watch<State>(step: StepFunction<State>): StepFunction<State> {
    return (request) => {
      const { users, nodes } = request;
      if (request.parents[0] === -1) this.decision = 0;
      nodes.forEach((node, row) => {
        const user = users[row] as number;
        if (this.paths[user]?.[this.decision] === node) this.survived[user] = this.decision;
      });
      this.decision++;
      return step(request);
    };
  }
}
