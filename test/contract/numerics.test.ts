import { describeContract } from '../support/backend-under-test';
import { DTYPES } from '../support/dtype';
import { callOf, definedGradient, expectAgreement, gradientRow, runBackend, runReference } from '../support/loss-call';
import { PENALTIES, THRESHOLD_GRADIENTS } from '../support/option-lists';
import { SeededRandom } from '../support/random';
import { EXTREME, expectFloatGradient, ORDINARY } from '../support/tolerance';

describeContract('logits from the normal distribution', () => {
  describe.each(PENALTIES)('%s', (penalty) => {
    it.each(THRESHOLD_GRADIENTS)('%s: agree within the ordinary tolerance in every dtype', (thresholdGradient) => {
      const random = new SeededRandom(11);
      for (const dtype of DTYPES) {
        const rows = Array.from({ length: 6 }, () => random.normals(1000, 3));
        const options = { penalty, thresholdGradient, lambda: 0.7, xi: 1.5, margin: 0.2 } as const;
        expectAgreement(callOf(rows, random.integers(6, 1000), options, dtype));
      }
    });
  });

  it('with softcap, label smoothing and z-loss together', () => {
    const random = new SeededRandom(12);
    for (const dtype of DTYPES) {
      for (const softcap of [50, 5, 0.5]) {
        const rows = Array.from({ length: 4 }, () => random.normals(500, 4));
        const options = { softcap, temperature: 0.9, labelSmoothing: 0.15, zLoss: 0.01, penalty: 'softplus' } as const;
        expectAgreement(callOf(rows, random.integers(4, 500), options, dtype));
      }
    }
  });

  it('with logits far beyond the cap, where its slope is almost nothing', () => {
    const random = new SeededRandom(13);
    const rows = Array.from({ length: 4 }, () => random.normals(200, 40));
    expectAgreement(callOf(rows, random.integers(4, 200), { softcap: 6, penalty: 'softplus' }), EXTREME);
  });
});

describeContract('logits of unusual size', () => {
  it('in +-80 agree within the extreme tolerance', () => {
    const random = new SeededRandom(14);
    for (const penalty of PENALTIES) {
      const rows = Array.from({ length: 4 }, () =>
        Float32Array.from({ length: 400 }, () => 160 * random.uniform() - 80),
      );
      expectAgreement(callOf(rows, random.integers(4, 400), { penalty }), EXTREME);
    }
  });

  it('of thousands do not overflow', () => {
    const random = new SeededRandom(15);
    for (const deviation of [1e3, 1e4, 1e6]) {
      const rows = Array.from({ length: 4 }, () => random.normals(200, deviation));
      expectAgreement(callOf(rows, random.integers(4, 200), { penalty: 'hinge' }), EXTREME);
    }
  });

  it('with a common offset of 1000 give the loss and gradient of those without', () => {
    const random = new SeededRandom(16);
    // Of 1/64 each: 1000 more is exact in float32.
    const rows = Array.from({ length: 4 }, () => random.normals(600, 3).map((z) => Math.round(64 * z) / 64));
    const targets = random.integers(4, 600);
    for (const offset of [1000, -1000, 100000]) {
      const shifted = callOf(
        rows.map((row) => row.map((z) => z + offset)),
        targets,
      );
      const plain = runReference(callOf(rows, targets));
      const result = runBackend(shifted);
      expect(Math.abs((result.loss as number) - (plain.loss as number))).toBeLessThan(1e-5);
      expectFloatGradient(definedGradient(result), plain.gradient, 600, ORDINARY.gradient);
    }
  });

  it.each([
    ['a single logit of 500 after 10000 zeros', (length: number) => new Float32Array(length).fill(500, 10000, 10001)],
    [
      'logits that climb by 50 with every 2000 tokens',
      (length: number) => Float32Array.from({ length }, (_, j) => 50 * Math.floor(j / 2000)),
    ],
    [
      'logits that climb by 50 with every token at the end',
      (length: number) => Float32Array.from({ length }, (_, j) => 50 * Math.max(0, j - length + 20)),
    ],
    [
      'logits that fall by 50 with every 1000 tokens',
      (length: number) => Float32Array.from({ length }, (_, j) => -50 * Math.floor(j / 1000)),
    ],
    ['a deep valley before the rest', (length: number) => new Float32Array(length).fill(-900, 0, 8192)],
    ['a high start that nothing follows', (length: number) => new Float32Array(length).fill(-600, 1)],
  ])('%s: the running reference is rescaled without loss', (_, rowOf) => {
    const row = rowOf(16000);
    for (const dtype of DTYPES) {
      for (const target of [0, 9000, 10000, 15999]) {
        for (const labelSmoothing of [0, 0.1]) {
          expectAgreement(
            callOf([row], [target], { beamWidth: 3, labelSmoothing, penalty: 'softplus' }, dtype),
            EXTREME,
          );
        }
      }
    }
  });

  it('climbing so slowly that every token is a new maximum', () => {
    const row = Float32Array.from({ length: 12000 }, (_, j) => j / 100);
    expectAgreement(callOf([row, row.slice().reverse()], [11000, 11000], { beamWidth: 40 }), EXTREME);
  });
});

describeContract('a confident target', () => {
  // Up to where the others' probabilities stay above the smallest normal float32.
  it.each([5, 10, 16, 20, 30, 60, 75])(
    'that stands %i above the rest keeps its gradient: 1 - p_y must not cancel',
    (height) => {
      const random = new SeededRandom(17);
      for (const vocabSize of [2, 50, 5000]) {
        const row = random.normals(vocabSize);
        const target = random.integer(vocabSize);
        row[target] = height + 4;
        for (const penalty of PENALTIES) {
          for (const thresholdGradient of THRESHOLD_GRADIENTS) {
            // Relative to the row's largest entry, which here is 1 - p_y itself.
            expectAgreement(callOf([row], [target], { penalty, thresholdGradient, beamWidth: 1 }));
          }
        }
      }
    },
  );

  it.each(DTYPES)('keeps it in %s, where smaller numbers than the smallest float16 round to 0', (dtype) => {
    const random = new SeededRandom(23);
    for (const height of [4, 12, 30, 60]) {
      const row = random.normals(200);
      row[77] = height;
      for (const thresholdGradient of THRESHOLD_GRADIENTS) {
        expectAgreement(callOf([row], [77], { thresholdGradient, penalty: 'softplus', beamWidth: 1 }, dtype));
      }
    }
  });

  it('keeps the relative size of its loss', () => {
    for (const height of [5, 20, 40, 80]) {
      const { loss } = runBackend(callOf([[height, 0]], [0], { penalty: 'none' }));
      expect((loss as number) / Math.log1p(Math.exp(-height))).toBeCloseTo(1, 5);
    }
  });

  it('that is hopeless keeps the gradient of the others', () => {
    const random = new SeededRandom(18);
    const row = random.normals(300);
    for (const depth of [20, 90, 200, 1000, 1e5]) {
      row[123] = -depth;
      expectAgreement(callOf([row], [123], { penalty: 'softplus' }), depth > 100 ? EXTREME : ORDINARY);
    }
  });
});

describeContract('the temperature', () => {
  it.each([1e-3, 1e-2, 0.1, 0.5, 3, 100, 1e4])('of %p', (temperature) => {
    const random = new SeededRandom(19);
    const tolerance = temperature < 0.1 ? EXTREME : ORDINARY;
    for (const dtype of DTYPES) {
      const rows = Array.from({ length: 3 }, () => random.normals(300, 2));
      for (const penalty of ['hinge', 'log-sigmoid'] as const) {
        expectAgreement(callOf(rows, random.integers(3, 300), { temperature, penalty }, dtype), tolerance);
      }
    }
  });

  it('does not change what is pruned', () => {
    const random = new SeededRandom(20);
    const rows = Array.from({ length: 30 }, () => random.normals(40).map((z) => Math.round(4 * z) / 4));
    const targets = random.integers(30, 40);
    const decisions = [1e-6, 0.3, 1, 1e6].flatMap((temperature) =>
      [undefined, 0.01].map((softcap) => {
        const { prunedRate, accuracy, rows: statistics } = runBackend(callOf(rows, targets, { temperature, softcap }));
        return { prunedRate, accuracy, rank: Array.from(statistics?.rank ?? []) };
      }),
    );
    for (const decision of decisions) expect(decision).toEqual(decisions[0]);
  });
});

describeContract('unusual options', () => {
  const random = new SeededRandom(22);
  const rows = Array.from({ length: 5 }, () => random.normals(150, 2));
  const targets = random.integers(5, 150);

  it.each([1e-3, 0.05, 20, 1e3])('xi = %p', (xi) => {
    for (const penalty of PENALTIES) {
      for (const thresholdGradient of THRESHOLD_GRADIENTS) {
        expectAgreement(callOf(rows, targets, { xi, penalty, thresholdGradient }));
      }
    }
  });

  it.each([-0.5, 100])('lambda = %p', (lambda) => {
    for (const penalty of PENALTIES) {
      for (const thresholdGradient of THRESHOLD_GRADIENTS) {
        expectAgreement(callOf(rows, targets, { lambda, penalty, thresholdGradient }));
      }
    }
  });

  it.each([-3, 5])('margin = %p', (margin) => {
    for (const thresholdGradient of THRESHOLD_GRADIENTS) {
      expectAgreement(callOf(rows, targets, { margin, thresholdGradient, penalty: 'hinge' }));
    }
  });

  it.each([1e-4, 1])('zLoss = %p', (zLoss) => {
    for (const penalty of PENALTIES) expectAgreement(callOf(rows, targets, { zLoss, penalty }));
  });

  it('are the documented defaults where none is given', () => {
    const explicit = {
      beamWidth: 10,
      penalty: 'hinge',
      lambda: 0.25,
      xi: 1,
      margin: 0,
      thresholdGradient: 'detach',
      temperature: 1,
      labelSmoothing: 0,
      zLoss: 0,
      ignoreIndex: -100,
      reduction: 'mean',
      gradOutput: 1,
      gradient: true,
    } as const;
    const { result } = expectAgreement(callOf(rows, [...targets.slice(1), -100]));
    expect(runBackend(callOf(rows, [...targets.slice(1), -100], explicit))).toEqual(result);
  });
});

describeContract('a forced row', () => {
  it('costs lambda r(0) and its z-loss, and moves nothing unless there is a z-loss', () => {
    for (const zLoss of [0, 0.1]) {
      for (const penalty of PENALTIES) {
        for (const thresholdGradient of THRESHOLD_GRADIENTS) {
          const options = { penalty, thresholdGradient, zLoss, margin: 0.3, labelSmoothing: 0.1 } as const;
          const { result } = expectAgreement(callOf([[2.5], [-3]], [0, 0], options));
          const allowed = { offsets: Int32Array.of(0, 1), tokens: Int32Array.of(2) };
          expectAgreement(callOf([[9, 8, 2.5, 7]], [2], { ...options, allowed }));
          if (zLoss === 0) expect(Array.from(definedGradient(result), Math.abs)).toEqual([0, 0]);
          expect([result.countedRows, result.prunedRate, result.accuracy]).toEqual([2, 0, 1]);
        }
      }
    }
  });
});

describeContract('label smoothing', () => {
  it('is uniform over the allowed tokens with a finite logit', () => {
    const row = [1, -Infinity, 2, 0.5, NaN];
    const allowed = { offsets: Int32Array.of(0, 4), tokens: Int32Array.of(0, 1, 2, 3) };
    const { result } = expectAgreement(callOf([row], [2], { allowed, labelSmoothing: 0.3, penalty: 'none' }));
    const gradient = gradientRow(definedGradient(result), 'float32', 0, 5);
    expect(gradient.reduce((sum, entry) => sum + entry, 0)).toBeCloseTo(0, 6);
  });

  it.each([0.01, 0.5, 0.99])('of %p', (labelSmoothing) => {
    const random = new SeededRandom(21);
    for (const dtype of DTYPES) {
      const rows = Array.from({ length: 3 }, () => random.normals(300, 2));
      expectAgreement(callOf(rows, random.integers(3, 300), { labelSmoothing, penalty: 'reweight' }, dtype));
    }
  });
});
