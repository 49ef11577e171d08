import { bitmaskOf, csrOf } from '../support/allowed-tokens';
import { describeContract } from '../support/backend-under-test';
import { DTYPES } from '../support/dtype';
import { callOf, expectAgreement } from '../support/loss-call';
import { SeededRandom } from '../support/random';

/** Small and odd, around the widths of vectors and mask words, and the vocabularies of real models. */
const SIZES = [
  1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 257, 1000, 1023, 1024, 1025, 4097,
];
const REAL_SIZES = [32000, 128256];

describeContract('a vocabulary of every size', () => {
  describe.each(DTYPES)('%s', (dtype) => {
    it.each(SIZES)('V = %i', (vocabSize) => {
      const random = new SeededRandom(vocabSize);
      const rows = Array.from({ length: 3 }, () => random.normals(vocabSize, 3));
      // The first and the last token are the edges where a kernel slips.
      for (const options of [{}, { thresholdGradient: 'flow', penalty: 'softplus', labelSmoothing: 0.1 }] as const) {
        expectAgreement(callOf(rows, [0, vocabSize - 1, random.integer(vocabSize)], options, dtype));
      }
    });

    it.each(REAL_SIZES)('V = %i', (vocabSize) => {
      const random = new SeededRandom(vocabSize);
      const rows = Array.from({ length: 2 }, () => random.normals(vocabSize, 3));
      expectAgreement(callOf(rows, [vocabSize - 1, random.integer(vocabSize)], { penalty: 'softplus' }, dtype));
    });
  });

  it.each([...SIZES, ...REAL_SIZES])('V = %i under a constraint', (vocabSize) => {
    const random = new SeededRandom(vocabSize);
    const rows = Array.from({ length: 3 }, () => random.normals(vocabSize, 3));
    const counts = [1, Math.ceil(vocabSize / 2), Math.min(vocabSize, 40)];
    const permitted = counts.map((count) => random.sample(count, vocabSize));
    const targets = permitted.map((tokens) => tokens[random.integer(tokens.length)] as number);
    for (const allowed of [csrOf(permitted), bitmaskOf(permitted, vocabSize, 1)]) {
      expectAgreement(callOf(rows, targets, { allowed, penalty: 'softplus' }));
    }
  });
});
