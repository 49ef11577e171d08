/** Wrong arguments of the linear form: a code, the argument, and nothing written. */
import { fusedLinearBearLoss } from '../../lib/index';

const hidden = () => Float32Array.from({ length: 6 }, (_, i) => i);
const weight = () => Float32Array.from({ length: 10 }, (_, i) => Math.sin(i));
const targets = () => Int32Array.of(1, 4, 2);
const halves = (length: number) => new Uint16Array(length);

/** 3 rows, 5 tokens, hidden states of 2 numbers. */
const call = (
  changes: Partial<Record<'hidden' | 'weight' | 'targets', unknown>> = {},
  options: Record<string, unknown> = {},
) => {
  const args = { hidden: hidden(), weight: weight(), targets: targets(), ...changes };
  return () =>
    fusedLinearBearLoss(
      args.hidden as Float32Array,
      args.weight as Float32Array,
      args.targets as Int32Array,
      {
        hiddenSize: 2,
        ...options,
      } as object,
    );
};

const sharedMemory = new Float32Array(16);

it('the call itself is right', () => {
  expect(call()()).toMatchObject({ countedRows: 3 });
});

it.each<[string, () => unknown, string, string]>([
  ['hidden of another length', call({ hidden: new Float32Array(5) }), 'ERR_BEAR_SHAPE', 'hidden'],
  ['rows that are not those of targets', call({ hidden: new Float32Array(8) }), 'ERR_BEAR_SHAPE', 'targets'],
  ['weight of another length', call({ weight: new Float32Array(9) }), 'ERR_BEAR_SHAPE', 'weight'],
  ['no token', call({ weight: new Float32Array(0) }), 'ERR_BEAR_SHAPE', 'weight'],
  ['no hidden size', call({}, { hiddenSize: 0 }), 'ERR_BEAR_OPTION_VALUE', 'hiddenSize'],
  [
    'a hidden size of 0 in a shape',
    call({ hidden: { data: new Float32Array(0), shape: [3, 0] } }, { hiddenSize: undefined }),
    'ERR_BEAR_SHAPE',
    'hidden',
  ],
  [
    'shapes that do not fit each other',
    call({ hidden: { data: hidden(), shape: [3, 2] }, weight: { data: new Float32Array(15), shape: [5, 3] } }),
    'ERR_BEAR_OPTION_CONFLICT',
    'hiddenSize',
  ],
  [
    'shapes that do not fit each other, alone',
    call(
      { hidden: { data: hidden(), shape: [3, 2] }, weight: { data: new Float32Array(15), shape: [5, 3] } },
      { hiddenSize: undefined },
    ),
    'ERR_BEAR_SHAPE',
    'hidden.shape',
  ],
  [
    'a shape that is not that of the data',
    call({ weight: { data: weight(), shape: [4, 2] } }),
    'ERR_BEAR_SHAPE',
    'weight.data',
  ],
  ['another vocabulary size', call({}, { vocabSize: 6 }), 'ERR_BEAR_OPTION_CONFLICT', 'vocabSize'],
  ['float16', call({ hidden: halves(6), weight: halves(10) }, { dtype: 'float16' }), 'ERR_BEAR_DTYPE', 'hidden'],
  ['bits without a dtype', call({ hidden: halves(6), weight: halves(10) }), 'ERR_BEAR_DTYPE', 'dtype'],
  ['mixed dtypes', call({ hidden: { data: halves(6), shape: [3, 2], dtype: 'bfloat16' } }), 'ERR_BEAR_DTYPE', 'weight'],
  ['hidden that is no array', call({ hidden: 'hidden' }), 'ERR_BEAR_ARGUMENT_TYPE', 'hidden'],
  ['weight that is no array', call({ weight: [1, 2] }), 'ERR_BEAR_ARGUMENT_TYPE', 'weight'],
  ['integers', call({ weight: new Int32Array(10) }), 'ERR_BEAR_ARGUMENT_TYPE', 'weight'],
  ['a bias of another length', call({}, { bias: new Float32Array(4) }), 'ERR_BEAR_SHAPE', 'bias'],
  ['a bias of another type', call({}, { bias: [1, 2, 3, 4, 5] }), 'ERR_BEAR_ARGUMENT_TYPE', 'bias'],
  ['a target that is no token', call({ targets: Int32Array.of(1, 5, 2) }), 'ERR_BEAR_TARGET_OUT_OF_RANGE', 'targets'],
  ['a workspace without room', call({}, { workspaceBytes: 63 }), 'ERR_BEAR_OPTION_VALUE', 'workspaceBytes'],
  ['a need that is none', call({}, { needs: ['hiden'] }), 'ERR_BEAR_OPTION_VALUE', 'needs'],
  ['needs that are no list', call({}, { needs: 'hidden' }), 'ERR_BEAR_ARGUMENT_TYPE', 'needs'],
  ['the gradient of no bias', call({}, { needs: ['bias'] }), 'ERR_BEAR_OPTION_CONFLICT', 'needs'],
  ['accumulation in nothing', call({}, { accumulate: true }), 'ERR_BEAR_OPTION_CONFLICT', 'accumulate'],
  [
    'memory for a gradient that is not needed',
    call({}, { needs: ['hidden'], out: { gradWeight: new Float32Array(10) } }),
    'ERR_BEAR_OPTION_CONFLICT',
    'out.gradWeight',
  ],
  [
    'too little memory for a gradient',
    call({}, { out: { gradWeight: new Float32Array(9) } }),
    'ERR_BEAR_OUT_TOO_SMALL',
    'out.gradWeight',
  ],
  ['a gradient of another dtype', call({}, { out: { gradHidden: halves(6) } }), 'ERR_BEAR_DTYPE', 'out.gradHidden'],
  [
    'a gradient of logits',
    call({}, { out: { gradLogits: new Float32Array(15) } }),
    'ERR_BEAR_OPTION_UNKNOWN',
    'out.gradLogits',
  ],
  ['the option gradient', call({}, { gradient: 'in-place' }), 'ERR_BEAR_OPTION_UNKNOWN', 'gradient'],
  ['a row stride', call({}, { rowStride: 8 }), 'ERR_BEAR_OPTION_UNKNOWN', 'rowStride'],
  ['a device', call({}, { device: 'cuda' }), 'ERR_BEAR_OPTION_UNKNOWN', 'device'],
  ['a signal', call({}, { signal: new AbortController().signal }), 'ERR_BEAR_OPTION_CONFLICT', 'signal'],
  [
    'hidden where its gradient goes',
    call({ hidden: sharedMemory.subarray(0, 6) }, { out: { gradHidden: sharedMemory.subarray(0, 6) } }),
    'ERR_BEAR_OUT_OVERLAP',
    'out',
  ],
  [
    'two gradients in one place',
    call({}, { out: { gradHidden: sharedMemory.subarray(0, 6), gradWeight: sharedMemory.subarray(5, 15) } }),
    'ERR_BEAR_OUT_OVERLAP',
    'out',
  ],
  [
    'targets where a gradient goes',
    call(
      { targets: new Int32Array(sharedMemory.buffer, 0, 3) },
      { out: { gradHidden: new Float32Array(sharedMemory.buffer, 0, 6) } },
    ),
    'ERR_BEAR_OUT_OVERLAP',
    'out.gradHidden',
  ],
])('%s', (_, run, code, argument) => {
  expect(run).toThrow(expect.objectContaining({ code, argument }));
  expect(sharedMemory).toEqual(new Float32Array(16));
});

it('nothing is written where a target or a list is wrong', () => {
  const out = () => ({
    gradHidden: new Float32Array(6).fill(7),
    gradWeight: new Float32Array(10).fill(7),
  });
  const wrong = [
    { targets: Int32Array.of(1, 4, 5) },
    { allowed: { offsets: Int32Array.of(0, 2, 4, 6), tokens: Int32Array.of(0, 1, 3, 4, 2, 2) } },
    { allowed: { offsets: Int32Array.of(0, 2, 4, 6), tokens: Int32Array.of(0, 1, 4, 3, 2, 3) } },
    { allowed: { offsets: Int32Array.of(0, 2, 4, 6), tokens: Int32Array.of(0, 1, 3, 4, 2, 5) } },
    { allowed: { offsets: Int32Array.of(0, 2, 4, 6), tokens: Int32Array.of(0, 1, 3, 4, 3, 4) } },
    { allowed: { offsets: Int32Array.of(0, 2, 4, 4), tokens: Int32Array.of(0, 1, 3, 4) } },
  ];
  const codes = wrong.map(({ targets: ids = targets(), ...options }) => {
    const gradients = out();
    try {
      fusedLinearBearLoss(hidden(), weight(), ids, { hiddenSize: 2, ...options, out: gradients });
    } catch (error) {
      expect(gradients).toEqual(out());
      return (error as { code: string; row: number }).code;
    }
    return 'none';
  });
  expect(codes).toEqual([
    'ERR_BEAR_TARGET_OUT_OF_RANGE',
    'ERR_BEAR_ALLOWED_TOKENS_ORDER',
    'ERR_BEAR_ALLOWED_TOKENS_ORDER',
    'ERR_BEAR_ALLOWED_TOKEN_OUT_OF_RANGE',
    'ERR_BEAR_TARGET_NOT_ALLOWED',
    'ERR_BEAR_ALLOWED_ROW_EMPTY',
  ]);
});

it('accumulates in memory of the caller', () => {
  const out = {
    gradHidden: new Float32Array(6).fill(1),
    gradWeight: new Float32Array(10).fill(2),
    gradBias: new Float32Array(5).fill(3),
  };
  const bias = new Float32Array(5);
  const fresh = fusedLinearBearLoss(hidden(), weight(), targets(), { bias });
  const result = fusedLinearBearLoss(hidden(), weight(), targets(), { bias, out, accumulate: true });
  expect(result.gradHidden).toBe(out.gradHidden);
  for (const [name, start] of [
    ['gradHidden', 1],
    ['gradWeight', 2],
    ['gradBias', 3],
  ] as const) {
    for (const [i, sum] of out[name].entries()) expect(sum).toBeCloseTo(start + (fresh[name]?.[i] as number), 5);
  }
});
