/** What a call asks of the runtime beside its launches, and what orders work: events, also of streams that are gone. */
import { CudaStream, DeviceTensor, deviceMemory, fusedBearLoss } from '../../lib/cuda/index';
import { fusedBearLoss as hostLoss } from '../../lib/index';
import { errorOf } from '../loss/refusal';
import { useEmulator } from '../support/emulated-device';
import { SeededRandom } from '../support/random';

const { emulator, describe } = useEmulator('counts calls, and destroys streams of others');
const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1);

const ROWS = 6;
const VOCABULARY = 500;

function inputs() {
  const random = new SeededRandom(5);
  return { data: random.normals(ROWS * VOCABULARY, 2), targets: random.integers(ROWS, VOCABULARY) };
}

describe('a call on tensors of the device', () => {
  const launches = 'cudaLaunchKernelEx';

  it.each([
    ['forward', { gradient: false }],
    ['forward and gradient', {}],
    ['with statistics of the rows', { rows: true }],
  ] as const)('%s: three launches and three other calls of the runtime, disposing included', (_, options) => {
    const { data, targets } = inputs();
    const logits = DeviceTensor.fromHost(data, [ROWS, VOCABULARY]);
    const onDevice = DeviceTensor.fromHost(targets, [ROWS], 'int32');
    const run = () => fusedBearLoss(logits, onDevice, options).dispose();
    // Blocks that another stream used last are asked for their events: also those that other test files left behind.
    using other = CudaStream.create();
    fusedBearLoss(logits, onDevice, { ...options, stream: other }).dispose();
    deviceMemory().releaseCached();
    // Until blocks and events are as many as it takes.
    for (let warm = 0; warm < 50; ++warm) {
      emulator.reset();
      run();
      const { cudaMalloc, cudaEventCreateWithFlags } = emulator.calls();
      if (cudaMalloc === undefined && cudaEventCreateWithFlags === undefined) break;
    }
    const { [launches]: launched, ...others } = emulator.calls();
    expect(launched).toBe(3);
    expect(others).toEqual({ cudaEventRecord: 1, cudaGetDevice: 1, cudaMemsetAsync: 1 });
    logits.dispose();
    onDevice.dispose();
  });

  it('makes no more events, call after call', () => {
    const { data, targets } = inputs();
    const logits = DeviceTensor.fromHost(data, [ROWS, VOCABULARY]);
    const run = () => fusedBearLoss(logits, targets, { rows: true, reduction: 'weighted-mean' }).dispose();
    for (let warm = 0; warm < 6; ++warm) run();
    const { events } = emulator.liveCounts();
    for (let turn = 0; turn < 20; ++turn) run();
    expect(emulator.liveCounts().events).toBe(events);
    deviceMemory().releaseCached();
    expect(emulator.liveCounts().events).toBeLessThan(events);
    logits.dispose();
  });
});

describe('a stream that its owner destroyed', () => {
  function withStreamOfOthers<T>(
    seed: number,
    use: (stream: CudaStream, logits: DeviceTensor<'float32'>, end: () => void) => T,
  ): T {
    const { data } = inputs();
    emulator.configure({ seed });
    const handle = emulator.createStream();
    const stream = CudaStream.fromPointer(handle);
    const logits = DeviceTensor.fromHost(data, [ROWS, VOCABULARY]);
    const result = use(stream, logits, () => emulator.destroyStream(handle));
    logits.dispose();
    return result;
  }

  it('has its work done, and nobody gets the memory before', async () => {
    const { data, targets } = inputs();
    const expected = hostLoss(data, targets, { vocabSize: VOCABULARY, device: 'cuda' });
    for (const seed of SEEDS) {
      await withStreamOfOthers(seed, async (stream, logits, end) => {
        const result = fusedBearLoss(logits, targets, { stream });
        const dropped = fusedBearLoss(logits, targets, { stream });
        end();
        dropped.dispose();
        // Of the sizes that have just been given back, on another stream.
        const others = CudaStream.create();
        const next = fusedBearLoss(logits, targets, { stream: others });
        expect(result.gradLogits?.toHost()).toEqual(expected.gradLogits);
        expect((await result.read()).loss).toBe(expected.loss);
        expect((await next.read()).loss).toBe(expected.loss);
        for (const each of [result, next, others]) each.dispose();
      });
    }
  });

  it('is refused by a call that is given it, and nothing is written or held', () => {
    const { targets } = inputs();
    withStreamOfOthers(0, (stream, logits, end) => {
      end();
      const held = deviceMemory().allocatedBlocks;
      const before = logits.toHost();
      const error = errorOf(() => fusedBearLoss(logits, targets, { stream, gradient: 'in-place' }));
      expect(error).toMatchObject({
        code: 'ERR_BEAR_CUDA_FAILED',
        message: expect.stringMatching(/stream .* destroyed/),
      });
      expect(logits.toHost()).toEqual(before);
      expect(deviceMemory().allocatedBlocks).toBe(held);
      expect(errorOf(() => stream.synchronize())).toMatchObject({ code: 'ERR_BEAR_CUDA_FAILED' });
    });
  });
});
