// What a program in TypeScript asks of the types. The same statements serve CommonJS and ES modules.
import {
  type BearLossOptions,
  type BearLossResult,
  capabilities,
  fusedBearLoss,
  fusedBearLossAsync,
  topTokens,
} from 'fused-bear-loss';
import { type CudaStream, type DeviceTensor, fusedBearLoss as deviceLoss } from 'fused-bear-loss/cuda';
import type { TokenTrie } from 'fused-bear-loss/decoding';
import { bearLossStep } from 'fused-bear-loss/jax';

const options: BearLossOptions = { beamWidth: 3, penalty: 'hinge' };
const result: BearLossResult = fusedBearLoss(new Float32Array([1, 2, 3, 4]), [2], options);
const later: Promise<BearLossResult> = fusedBearLossAsync(new Float32Array([1, 2, 3, 4]), [2], options);
const version: string = capabilities().version;
const trie: TokenTrie | undefined = undefined;
export const onDevice = (logits: DeviceTensor<'float32'>, stream: CudaStream): DeviceTensor<'float32'> =>
  deviceLoss(logits, [2], { stream }).gradLogits;
const tokens: Int32Array = topTokens(new Float32Array([1, 2, 3, 4]), 2, { vocabSize: 4 }).tokens;
console.log(result.countedRows, later, version, trie, tokens, bearLossStep);
