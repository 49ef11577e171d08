import { checkOptions, readOptions } from './check-options.js';
import type { DeviceBearLossResult } from './device-result.js';
import type { DeviceTensor } from './device-tensor.js';
import { computeLoss } from './fused-bear-loss.js';
import { computeLossAsync } from './fused-bear-loss-async.js';
import type { Logits } from './logits.js';
import type {
  AnyBearLossOptions,
  BearLossOptions,
  CheckedOptions,
  DeviceBearLossOptions,
  DType,
  LogitsArray,
  Reduction,
} from './options.js';
import type { DeviceTargets } from './prepare-device-call.js';
import type { BearLossResult } from './result.js';
import type { Targets } from './targets.js';

class ConfiguredBearLoss {
  static {
    Object.defineProperty(ConfiguredBearLoss, 'name', { value: 'BearLoss' });
  }

  readonly options: Readonly<AnyBearLossOptions>;
  readonly #checked: CheckedOptions;

  constructor(options: AnyBearLossOptions = {}) {
    this.options = Object.freeze(readOptions(options));
    this.#checked = checkOptions(this.options);
  }

  compute(
    logits: Logits | DeviceTensor,
    targets: DeviceTargets,
    overrides?: AnyBearLossOptions,
  ): BearLossResult | DeviceBearLossResult {
    return computeLoss(logits, targets, this.#merge(overrides));
  }

  async computeAsync(
    logits: Logits | DeviceTensor,
    targets: DeviceTargets,
    overrides?: AnyBearLossOptions,
  ): Promise<BearLossResult | DeviceBearLossResult> {
    return computeLossAsync(logits, targets, this.#merge(overrides));
  }

  #merge(overrides: AnyBearLossOptions | undefined): CheckedOptions {
    return overrides === undefined ? this.#checked : checkOptions({ ...this.options, ...readOptions(overrides) });
  }
}

/** {@link fusedBearLoss} with options that are given, and checked, once. */
export interface BearLoss<R extends Reduction = Reduction> {
  /** The options as they were given to the constructor. */
  readonly options: Readonly<BearLossOptions<R> | DeviceBearLossOptions<R>>;

  /** The synchronous call. `overrides` replace options of the constructor; `undefined` brings a default back. */
  compute<D extends DType = DType, Q extends Reduction = R>(
    logits: DeviceTensor<D>,
    targets: DeviceTargets,
    overrides?: DeviceBearLossOptions<Q>,
  ): DeviceBearLossResult<Q, D>;
  compute<A extends LogitsArray = LogitsArray, Q extends Reduction = R>(
    logits: Logits<A>,
    targets: Targets,
    overrides?: BearLossOptions<Q>,
  ): BearLossResult<Q, A>;

  /** The asynchronous call, as {@link fusedBearLossAsync}. */
  computeAsync<D extends DType = DType, Q extends Reduction = R>(
    logits: DeviceTensor<D>,
    targets: DeviceTargets,
    overrides?: DeviceBearLossOptions<Q>,
  ): Promise<DeviceBearLossResult<Q, D>>;
  computeAsync<A extends LogitsArray = LogitsArray, Q extends Reduction = R>(
    logits: Logits<A>,
    targets: Targets,
    overrides?: BearLossOptions<Q>,
  ): Promise<BearLossResult<Q, A>>;
}

/** Throws as {@link fusedBearLoss} does where an option is wrong. */
export const BearLoss = ConfiguredBearLoss as {
  new <R extends Reduction = 'mean'>(options?: BearLossOptions<R> | DeviceBearLossOptions<R>): BearLoss<R>;
};
