/** A few rows of the vocabularies of language models: the emulated device takes seconds for each. */
import { fusedBearLoss } from '../../lib/index';
import { DTYPES } from '../support/dtype';
import { useDevice } from '../support/emulated-device';
import { callOf, expectAgreement, logitsArgument } from '../support/loss-call';
import { SeededRandom } from '../support/random';

useDevice();

describe.each([32_000, 128_256])('V = %i', (vocabSize) => {
  it.each(DTYPES)('%s agrees with the reference, and decides as the CPU does', (dtype) => {
    const random = new SeededRandom(vocabSize);
    const rows = [random.normals(vocabSize, 2), random.normals(vocabSize, 4)];
    const call = callOf(rows, random.integers(2, vocabSize), { penalty: 'softplus', beamWidth: 50 }, dtype);
    const { result } = expectAgreement(call);
    const onCpu = fusedBearLoss(logitsArgument(call), call.targets, { ...call.options, rows: true, device: 'cpu' });
    expect(result.rows?.rank).toEqual(onCpu.rows?.rank);
    expect(result.prunedRate).toBe(onCpu.prunedRate);
  });
});
