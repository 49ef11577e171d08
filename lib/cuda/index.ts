// The entry `fused-bear-loss/cuda`: logits that are in the memory of a GPU.
export type { CudaDeviceName } from '../options/device-names.js';
export { CudaStream } from './cuda-stream.js';
export { type DeviceMemory, deviceMemory, type MemoryUse } from './device-memory.js';
export { DeviceTensor, type HostArray, type HostTensorData, type TensorDType } from './device-tensor.js';
export { fusedBearLoss } from './fused-bear-loss.js';
export type { DeviceAllowedTokens, DeviceBearLossOptions, DeviceGradientOutput } from './options.js';
export type { DeviceRowStatistics } from './outputs.js';
export type { DeviceTargets } from './prepare-call.js';
export type { DeviceBearLossResult, DeviceLossReading } from './result.js';
