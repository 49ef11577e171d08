import { checkNames, checkOptions } from './check-options.js';
import { computeLoss } from './fused-bear-loss.js';
import { computeLossAsync } from './fused-bear-loss-async.js';
import type { Logits } from './logits.js';
import type { BearLossOptions, CheckedOptions, LogitsArray, Reduction } from './options.js';
import type { BearLossResult } from './result.js';
import type { Targets } from './targets.js';

class ConfiguredBearLoss {
  static {
    Object.defineProperty(ConfiguredBearLoss, 'name', { value: 'BearLoss' });
  }

  readonly options: Readonly<BearLossOptions>;
  readonly #checked: CheckedOptions;

  constructor(options: BearLossOptions = {}) {
    this.#checked = checkOptions(options);
    this.options = Object.freeze({ ...options });
  }

  compute(logits: Logits, targets: Targets, overrides?: BearLossOptions): BearLossResult {
    return computeLoss(logits, targets, this.#merge(overrides));
  }

  async computeAsync(logits: Logits, targets: Targets, overrides?: BearLossOptions): Promise<BearLossResult> {
    return computeLossAsync(logits, targets, this.#merge(overrides));
  }

  #merge(overrides: BearLossOptions | undefined): CheckedOptions {
    return overrides === undefined ? this.#checked : checkOptions({ ...this.options, ...checkNames(overrides) });
  }
}

/** {@link fusedBearLoss} with options that are given, and checked, once. */
export interface BearLoss<R extends Reduction = Reduction> {
  /** The options as they were given to the constructor. */
  readonly options: Readonly<BearLossOptions<R>>;

  /** The synchronous call. `overrides` replace options of the constructor; `undefined` brings a default back. */
  compute<A extends LogitsArray = LogitsArray, Q extends Reduction = R>(
    logits: Logits<A>,
    targets: Targets,
    overrides?: BearLossOptions<Q>,
  ): BearLossResult<Q, A>;

  /** The asynchronous call, as {@link fusedBearLossAsync}. */
  computeAsync<A extends LogitsArray = LogitsArray, Q extends Reduction = R>(
    logits: Logits<A>,
    targets: Targets,
    overrides?: BearLossOptions<Q>,
  ): Promise<BearLossResult<Q, A>>;
}

/** Throws as {@link fusedBearLoss} does where an option is wrong. */
export const BearLoss = ConfiguredBearLoss as {
  new <R extends Reduction = 'mean'>(options?: BearLossOptions<R>): BearLoss<R>;
};
