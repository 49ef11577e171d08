export { type Capabilities, type CudaDevice, capabilities } from './loss/capabilities.js';
export { CudaStream } from './loss/cuda-stream.js';
export type { CudaDeviceName } from './loss/device-arguments.js';
export { type DeviceMemory, deviceMemory, type MemoryUse } from './loss/device-memory.js';
export type { DeviceRowStatistics } from './loss/device-outputs.js';
export type { DeviceBearLossResult, DeviceLossReading } from './loss/device-result.js';
export {
  DeviceTensor,
  type HostArray,
  type HostTensorData,
  type TensorDType,
} from './loss/device-tensor.js';
export type { BearErrorCode, BearErrorDetails, BearLossError } from './loss/errors.js';
export { fusedBearLoss } from './loss/fused-bear-loss.js';
export { fusedBearLossAsync } from './loss/fused-bear-loss-async.js';
export type { Logits, LogitsTensor } from './loss/logits.js';
export type {
  AllowedTokenBitmask,
  AllowedTokenLists,
  BearLossOptions,
  Device,
  DeviceAllowedTokens,
  DeviceBearLossOptions,
  DeviceGradientOutput,
  DType,
  GradientOutput,
  LogitsArray,
  Penalty,
  Reduction,
  ThresholdGradient,
} from './loss/options.js';
export type { RowStatistics } from './loss/outputs.js';
export type { DeviceTargets } from './loss/prepare-device-call.js';
export type { BearLossResult, LossCounts } from './loss/result.js';
export type { Targets } from './loss/targets.js';
export { type TopTokensOptions, type TopTokensOutput, type TopTokensResult, topTokens } from './loss/top-tokens.js';
export { type BearPartials, bearPartials } from './parallel/bear-partials.js';
export { bearShardGradient } from './parallel/bear-shard-gradient.js';
export { type MergedRows, mergeBearPartials } from './parallel/merge-bear-partials.js';
export type { SharedOptions, VocabularyPartOptions } from './parallel/part-options.js';
