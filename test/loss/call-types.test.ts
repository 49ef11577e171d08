/** What the compiler says of a call, and that the results are so: `npm run typecheck` is half of it. */
import {
  type BearLossOptions,
  type BearLossResult,
  fusedBearLoss,
  fusedBearLossAsync,
  type RowStatistics,
} from '../../lib/index';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <_ extends true>() => {};

type Asked = 'gradLogits' | 'rows';
/** Those of the two that a result may have, as the compiler knows it. */
type Known<Result> = Extract<keyof Result, Asked>;

const logits = () => new Float32Array(2);
const asked = (result: object) => ['gradLogits', 'rows'].filter((name) => name in result);
// The compiler does not know what it is.
const yes: boolean = JSON.parse('true');

describe('the type of a result', () => {
  it('has the loss that the reduction makes', () => {
    const mean = fusedBearLoss(logits(), [0]);
    is<Same<typeof mean, BearLossResult<'mean', Float32Array<ArrayBuffer>, true, false>>>();
    is<Same<typeof mean.loss, number>>();
    const none = fusedBearLoss(logits(), [0], { reduction: 'none' });
    is<Same<typeof none.loss, Float32Array>>();
    expect([typeof mean.loss, none.loss.length]).toEqual(['number', 1]);
  });

  it('has a gradient and no rows by default', async () => {
    const plain = fusedBearLoss(logits(), [0]);
    is<Same<Known<typeof plain>, 'gradLogits'>>();
    is<Same<typeof plain.gradLogits, Float32Array>>();
    const later = await fusedBearLossAsync(logits(), [0]);
    is<Same<Known<typeof later>, 'gradLogits'>>();
    expect([plain, later].map(asked)).toEqual([['gradLogits'], ['gradLogits']]);
  });

  it('has no gradient where there is none', async () => {
    const sync = fusedBearLoss(logits(), [0], { gradient: false });
    is<Same<Known<typeof sync>, never>>();
    // @ts-expect-error: it was not asked for
    expect(sync.gradLogits).toBeUndefined();
    const later = await fusedBearLossAsync(logits(), [0], { gradient: false });
    is<Same<Known<typeof later>, never>>();
    expect([asked(sync), asked(later)]).toEqual([[], []]);
  });

  it('has rows where they are asked for', async () => {
    const sync = fusedBearLoss(logits(), [0], { gradient: 'in-place', rows: true });
    is<Same<typeof sync.rows, RowStatistics>>();
    is<Same<typeof sync.gradLogits, Float32Array>>();
    const later = await fusedBearLossAsync(logits(), [0], { gradient: false, rows: true });
    is<Same<Known<typeof later>, 'rows'>>();
    expect([asked(sync), asked(later)]).toEqual([['gradLogits', 'rows'], ['rows']]);
  });

  it('has a sparse gradient of the same kind', async () => {
    const allowed = { offsets: Int32Array.of(0, 1), tokens: Int32Array.of(0) };
    const sync = fusedBearLoss(logits(), [0], { gradient: 'sparse', allowed });
    is<Same<typeof sync.gradLogits, Float32Array>>();
    const later = await fusedBearLossAsync(logits(), [0], { gradient: 'sparse', allowed });
    is<Same<typeof later.gradLogits, Float32Array>>();
    expect([sync, later].map(({ gradLogits }) => gradLogits.length)).toEqual([1, 1]);
  });

  it('leaves open what the compiler cannot know', async () => {
    const sync = fusedBearLoss(logits(), [0], { gradient: yes, rows: yes });
    is<Same<typeof sync.gradLogits, Float32Array | undefined>>();
    is<Same<typeof sync.rows, RowStatistics | undefined>>();
    const options: BearLossOptions = { rows: true };
    const general: BearLossResult = fusedBearLoss(logits(), [0], options);
    is<Same<typeof general.gradLogits, Float32Array | Uint16Array | undefined>>();
    const later = await fusedBearLossAsync(logits(), [0], { gradient: yes ? 'in-place' : false });
    is<Same<typeof later.gradLogits, Float32Array | undefined>>();
    expect([sync, general].map(asked)).toEqual([
      ['gradLogits', 'rows'],
      ['gradLogits', 'rows'],
    ]);
  });
});

describe('the type of the options', () => {
  it('has a signal, and borrows, in asynchronous calls only', async () => {
    const { signal } = new AbortController();
    const result = await fusedBearLossAsync(logits(), [0], { signal, borrow: true });
    expect(result.countedRows).toBe(1);
    // @ts-expect-error: a synchronous call cannot be aborted
    expect(() => fusedBearLoss(logits(), [0], { signal })).toThrow('signal');
    // @ts-expect-error
    expect(() => fusedBearLoss(logits(), [0], { borrow: true })).toThrow('borrow');
  });

  it('knows nothing of devices but their names', () => {
    // @ts-expect-error: of the entry for devices
    expect(() => fusedBearLoss(logits(), [0], { stream: undefined })).toThrow('stream');
  });
});
