/** Parity with the golden vectors: the float64 reference at 1e-10, the backend under test at the float32 tolerances. */
import { bearLossReference } from '../reference/bear-loss-reference';
import { computeLoss, deviceUnderTest } from '../support/backend-under-test';
import {
  describeGoldenVectors,
  type GoldenCase,
  type GoldenExpectation,
  isExtreme,
  optionsOf,
} from '../support/golden-vectors';
import { definedGradient } from '../support/loss-call';
import { EXTREME, expectAllClose, expectClose, expectFloatGradient, FLOAT64, ORDINARY } from '../support/tolerance';

function rowsOf(golden: GoldenCase): Float64Array[] {
  return Array.from({ length: golden.rows }, (_, row) =>
    golden.logits.subarray(row * golden.vocabSize, (row + 1) * golden.vocabSize),
  );
}

function testParity(cases: readonly GoldenCase[]): void {
  const combinations = cases.flatMap((golden) =>
    golden.expected.map((expected) => ({ title: `${golden.name}, ${expected.kind}`, golden, expected })),
  );

  it('they hold every kind and more than a hundred comparisons', () => {
    expect(new Set(combinations.map(({ expected }) => expected.kind)).size).toBe(7);
    expect(combinations.length).toBeGreaterThan(100);
  });

  describe('the float64 reference agrees with the golden vectors to 1e-10', () => {
    it.each(combinations)('$title', ({ golden, expected }) => {
      const result = bearLossReference(rowsOf(golden), golden.targets, optionsOf(golden, expected));
      expectClose(result.loss as number, expected.loss, FLOAT64.loss, 'loss');
      if (expected.gradient) {
        expectFloatGradient(result.gradient, expected.gradient, golden.vocabSize, FLOAT64.gradient);
      }
      if (golden.linear && expected.gradientHidden && expected.gradientWeight) {
        const { hidden, weight } = throughLinear(golden.linear, result.gradient, golden);
        expectFloatGradient(hidden, expected.gradientHidden, golden.linear.width, FLOAT64.gradient);
        expectFloatGradient(weight, expected.gradientWeight, golden.linear.width, FLOAT64.gradient);
      }
    });
  });

  describe('the row values of the float64 reference agree with the golden vectors', () => {
    it.each(cases.filter((golden) => golden.rowValues))('$name', (golden) => {
      const { rowValues } = golden;
      if (!rowValues) throw new Error('filtered above');
      const bear = golden.expected.find(({ kind }) => kind === 'bear') as GoldenExpectation;
      const { rows } = bearLossReference(rowsOf(golden), golden.targets, optionsOf(golden, bear));
      const counted = (_: unknown, row: number) => golden.targets[row] !== -100;
      expect(Array.from(rows.thresholdToken)).toEqual(Array.from(rowValues.thresholdToken));
      expectAllClose(rows.threshold, rowValues.logBeta, FLOAT64.loss, 'logBeta');
      expectAllClose(
        rows.nll,
        rowValues.logp.map((logp) => (logp === 0 ? 0 : -logp)),
        FLOAT64.loss,
        'nll',
      );
      // penalty is w - 1 = lambda sigma((log p - log beta) / xi).
      const sigma = rowValues.sigma.map((value) => golden.lambda * value);
      expectAllClose(rows.penalty.filter(counted), sigma.filter(counted), FLOAT64.loss, 'penalty');
    });
  });

  describe(`fusedBearLoss agrees with the golden vectors to the float32 tolerances [${deviceUnderTest}]`, () => {
    it.each(combinations)('$title', ({ golden, expected }) => {
      const tolerance = isExtreme(golden) ? EXTREME : ORDINARY;
      const logits = { data: Float32Array.from(golden.logits), shape: [golden.rows, golden.vocabSize] };
      const result = computeLoss(logits, golden.targets, optionsOf(golden, expected));
      expectClose(result.loss as number, expected.loss, tolerance.loss, 'loss');
      if (expected.gradient) {
        expectFloatGradient(definedGradient(result), expected.gradient, golden.vocabSize, tolerance.gradient);
      }
    });
  });
}

describeGoldenVectors(testParity);

/** The gradients of hidden and weight in z = hidden x weight^T, from the gradient of z. */
function throughLinear(
  { hidden, weight, width }: NonNullable<GoldenCase['linear']>,
  gradient: Float64Array,
  { rows, vocabSize }: GoldenCase,
): { hidden: Float64Array; weight: Float64Array } {
  const result = { hidden: new Float64Array(rows * width), weight: new Float64Array(vocabSize * width) };
  for (let row = 0; row < rows; ++row) {
    for (let token = 0; token < vocabSize; ++token) {
      const slope = gradient[row * vocabSize + token] as number;
      for (let k = 0; k < width; ++k) {
        const [h, w] = [row * width + k, token * width + k];
        result.hidden[h] = (result.hidden[h] as number) + slope * (weight[w] as number);
        result.weight[w] = (result.weight[w] as number) + slope * (hidden[h] as number);
      }
    }
  }
  return result;
}
