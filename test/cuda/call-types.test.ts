/** What the compiler says of a call with logits on a device, and that the results are so: `npm run typecheck` is half of it. */
import { type DeviceBearLossResult, DeviceTensor, fusedBearLoss } from '../../lib/cuda/index';
import { useDevice } from '../support/emulated-device';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <_ extends true>() => {};

useDevice();

describe('the type of a result on a device', () => {
  const logits = () => DeviceTensor.fromHost(new Uint16Array(2), [1, 2], 'bfloat16');

  it('is that of tensors', async () => {
    using mean = fusedBearLoss(logits(), [1]);
    is<Same<typeof mean, DeviceBearLossResult<'mean', 'bfloat16', true, false>>>();
    is<Same<typeof mean.loss, DeviceTensor<'float32'>>>();
    is<Same<typeof mean.gradLogits, DeviceTensor<'bfloat16'>>>();
    is<Same<Awaited<ReturnType<typeof mean.read>>['loss'], number>>();
    using none = fusedBearLoss(logits(), DeviceTensor.fromHost(Int32Array.of(1)), { reduction: 'none' });
    is<Same<Awaited<ReturnType<typeof none.read>>['loss'], Float32Array>>();
    expect([typeof (await mean.read()).loss, (await none.read()).loss]).toEqual(['number', expect.any(Float32Array)]);
  });

  it('has gradient and rows where the options ask for them, and not elsewhere', () => {
    using asked = fusedBearLoss(logits(), [1], { gradient: 'in-place', rows: true });
    is<Same<typeof asked.rows.rank, DeviceTensor<'int32'>>>();
    expect('gradLogits' in asked && 'rows' in asked).toBe(true);
    using bare = fusedBearLoss(logits(), [1], { gradient: false });
    is<Same<'gradLogits' | 'rows', Exclude<'gradLogits' | 'rows', keyof typeof bare>>>();
    expect('gradLogits' in bare || 'rows' in bare).toBe(false);
    const gradient: boolean = JSON.parse('true');
    using unknown = fusedBearLoss(logits(), [1], { gradient, rows: gradient });
    is<Same<typeof unknown.gradLogits, DeviceTensor<'bfloat16'> | undefined>>();
    expect('gradLogits' in unknown && 'rows' in unknown).toBe(true);
  });

  it('refuses what is of the host, as the call does', () => {
    const targets = DeviceTensor.fromHost(Int32Array.of(1));
    // @ts-expect-error: a gradient of logits on a device cannot go to host memory
    expect(() => fusedBearLoss(logits(), targets, { out: { gradLogits: new Float32Array(2) } })).toThrow('gradLogits');
    // @ts-expect-error: weights are float32
    expect(() => fusedBearLoss(logits(), targets, { tokenWeights: targets })).toThrow('tokenWeights');
    // @ts-expect-error: the work cannot be aborted
    expect(() => fusedBearLoss(logits(), targets, { signal: new AbortController().signal })).toThrow('signal');
    // @ts-expect-error: host logits belong to the main entry
    expect(() => fusedBearLoss(new Float32Array(2), targets)).toThrow('fused-bear-loss');
  });
});
