/** Host arrays on a device: copies and kernels of several chunks are under way at once, each on a stream of its own. */
import { fusedBearLoss } from '../../lib/index';
import { errorOf } from '../loss/refusal';
import { useEmulator } from '../support/emulated-device';
import { SeededRandom } from '../support/random';

const { emulator, it } = useEmulator('makes a call fail, and counts');

const ROWS = 12;
const VOCABULARY = 900; // two rows a chunk
const INVALID_VALUE = 1; // a cudaError_t

function runStaged() {
  const random = new SeededRandom(5);
  return fusedBearLoss(random.normals(ROWS * VOCABULARY, 2), random.integers(ROWS, VOCABULARY), { device: 'cuda' });
}

it('three chunks are enqueued, each with its copies there and back, before the first is waited for', () => {
  const chunks = 3;
  emulator.failCall('cudaEventSynchronize', 1, INVALID_VALUE);
  expect(errorOf(runStaged).code).toBe('ERR_BEAR_CUDA_FAILED');
  const { cudaEventSynchronize, cudaStreamCreateWithFlags, cudaLaunchKernelEx, cudaMemcpyAsync } = emulator.calls();
  expect(cudaEventSynchronize).toBe(1);
  expect(cudaStreamCreateWithFlags).toBe(1 + chunks); // one for what comes before and after them
  expect(cudaLaunchKernelEx).toBe(1 + chunks); // targets are checked first
  expect(cudaMemcpyAsync).toBe(1 + 2 * chunks); // the targets, and logits and gradients
});
