import { fusedLinearBearLoss, fusedLinearBearLossAsync } from '../../lib/index';
import { argumentsOf, randomCall } from '../linear/linear-call';
import { moduleBytes } from './support';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the linear form on the module', () => {
  it('lets the event loop turn between chunks of 1 MB of logits', async () => {
    const call = randomCall(5, { rows: 96, vocabSize: 32000, hiddenSize: 8 }); // 12 MB
    let isSettled = false;
    const pending = fusedLinearBearLossAsync(...argumentsOf(call), call.options).then((result) => {
      isSettled = true;
      return result;
    });
    let turns = 0;
    for (; !isSettled; turns++) await turn();
    expect(turns).toBeGreaterThanOrEqual(12);
    expect(await pending).toEqual(fusedLinearBearLoss(...argumentsOf(call), call.options));
  });

  it('keeps no memory of a call', () => {
    const before = moduleBytes();
    const call = randomCall(6, { rows: 4, vocabSize: 20000, hiddenSize: 256 }); // 40 MB with the gradient
    fusedLinearBearLoss(...argumentsOf(call), call.options);
    expect(moduleBytes()).toBe(before);
  });

  it('has no memory for 4 GB of factors and gradients: a code of its own, and nothing written', () => {
    const [vocabSize, hiddenSize] = [1 << 16, 1 << 13];
    const weight = new Float32Array(vocabSize * hiddenSize);
    const out = { gradWeight: new Float32Array(vocabSize * hiddenSize), gradHidden: new Float32Array(hiddenSize) };
    out.gradHidden.fill(7);
    const options = { hiddenSize, out, needs: ['hidden', 'weight'] } as const;
    expect(() => fusedLinearBearLoss(new Float32Array(hiddenSize), weight, [3], options)).toThrow(
      expect.objectContaining({ code: 'ERR_BEAR_WASM_OUT_OF_MEMORY' }),
    );
    expect(out.gradHidden.every((value) => value === 7)).toBe(true);
  });
});
