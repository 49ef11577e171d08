/** The golden vectors through the linear form: every case with an identity weight, and those that have factors. */
import { type BearLossOptions, fusedLinearBearLoss } from '../../lib/index';
import { describeGoldenVectors, type GoldenCase, isExtreme, optionsOf } from '../support/golden-vectors';
import { EXTREME, expectClose, expectFloatGradient, LINEAR, ORDINARY } from '../support/tolerance';

function identity(size: number): Float32Array {
  return Float32Array.from({ length: size * size }, (_, index) => (index % (size + 1) === 0 ? 1 : 0));
}

// With more tokens the identity would be larger than all other data of these tests.
const MOST_TOKENS = 4096;

/** A product has no infinite terms: infinity times 0 is NaN. */
const isFiniteCase = ({ logits }: GoldenCase) => logits.every((logit) => Number.isFinite(logit));

function testLinearForm(cases: readonly GoldenCase[]): void {
  const combine = (some: readonly GoldenCase[]) =>
    some.flatMap((golden) =>
      golden.expected.map((expected) => ({ title: `${golden.name}, ${expected.kind}`, golden, expected })),
    );
  const withIdentity = combine(
    cases.filter((golden) => !golden.linear && isFiniteCase(golden) && golden.vocabSize <= MOST_TOKENS),
  );
  const withFactors = combine(cases.filter((golden) => golden.linear));

  it('they hold enough to be of use', () => {
    expect(withIdentity.length).toBeGreaterThan(30);
    expect(withFactors.length).toBeGreaterThan(5);
  });

  it.each(withIdentity)('$title with an identity weight', ({ golden, expected }) => {
    const { rows, vocabSize, targets } = golden;
    const hidden = Float32Array.from(golden.logits);
    const tolerance = isExtreme(golden) ? EXTREME : ORDINARY;
    const options = { ...(optionsOf(golden, expected) as BearLossOptions), hiddenSize: vocabSize };
    const result = fusedLinearBearLoss(hidden, identity(vocabSize), targets, options as object);
    expectClose(result.loss, expected.loss, tolerance.loss, 'loss');
    expect(result.gradHidden).toHaveLength(rows * vocabSize);
    if (expected.gradient) expectFloatGradient(result.gradHidden, expected.gradient, vocabSize, tolerance.gradient);
  });

  it.each(withFactors)('$title', ({ golden, expected }) => {
    const { hidden, weight, width } = golden.linear as NonNullable<GoldenCase['linear']>;
    const options = { ...(optionsOf(golden, expected) as BearLossOptions), hiddenSize: width };
    const result = fusedLinearBearLoss(
      Float32Array.from(hidden),
      Float32Array.from(weight),
      golden.targets,
      options as object,
    );
    expectClose(result.loss, expected.loss, ORDINARY.loss, 'loss');
    if (!expected.gradientHidden || !expected.gradientWeight) throw new Error('a linear case without gradients');
    expectFloatGradient(result.gradHidden, expected.gradientHidden, width, LINEAR.gradient);
    expectFloatGradient(result.gradWeight, expected.gradientWeight, width, LINEAR.gradient);
  });
}

describeGoldenVectors(testLinearForm);
