/** What the compiler says of a call: `npm run typecheck` is the test, the run only keeps the file honest. */
import {
  type BearLossResult,
  type DeviceBearLossResult,
  type DeviceTensor,
  fusedBearLoss,
  fusedBearLossAsync,
} from '../../lib/index';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <_ extends true>() => {};

// Never called: there is no device here.
function ofDevice(logits: DeviceTensor<'bfloat16'>, targets: DeviceTensor<'int32'>) {
  const mean = fusedBearLoss(logits, targets);
  is<Same<typeof mean, DeviceBearLossResult<'mean', 'bfloat16'>>>();
  is<Same<typeof mean.loss, DeviceTensor<'float32'>>>();
  is<Same<typeof mean.gradLogits, DeviceTensor<'bfloat16'> | undefined>>();
  is<Same<Awaited<ReturnType<typeof mean.read>>['loss'], number>>();
  const none = fusedBearLoss(logits, [1], { reduction: 'none' });
  is<Same<Awaited<ReturnType<typeof none.read>>['loss'], Float32Array>>();
  const later = fusedBearLossAsync(logits, targets);
  is<Same<typeof later, Promise<DeviceBearLossResult<'mean', 'bfloat16'>>>>();
  // @ts-expect-error: a gradient of logits on a device cannot go to host memory
  fusedBearLoss(logits, targets, { out: { gradLogits: new Float32Array(1) } });
  // @ts-expect-error: weights are float32
  fusedBearLoss(logits, targets, { tokenWeights: targets });
  // @ts-expect-error: host logits have no use for targets on a device
  fusedBearLoss(new Float32Array(1), targets);
  return { mean, none, later };
}

describe('the type of a result', () => {
  it('of host logits is that of host arrays', () => {
    const mean = fusedBearLoss(new Float32Array(2), [0]);
    is<Same<typeof mean, BearLossResult<'mean', Float32Array<ArrayBuffer>>>>();
    is<Same<typeof mean.loss, number>>();
    const none = fusedBearLoss(new Float32Array(2), [0], { reduction: 'none' });
    is<Same<typeof none.loss, Float32Array>>();
    expect([typeof mean.loss, none.loss.length]).toEqual(['number', 1]);
  });

  it('of logits on a device is that of tensors', () => {
    expect(typeof ofDevice).toBe('function');
  });
});
