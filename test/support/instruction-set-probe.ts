/**
 * Prints, as JSON, what the CPU backend answers to a fixed list of problems. Run as a process of its own, once per
 * instruction set (FUSED_BEAR_LOSS_INSTRUCTION_SET), because the choice is made once per process.
 */
import { capabilities } from '../../lib/index';
import { bitmaskOf, csrOf } from './allowed-tokens';
import { bytesOf, DTYPES } from './dtype';
import { callOf, type LossCall, runBackend } from './loss-call';
import { PENALTIES } from './option-lists';
import { SeededRandom } from './random';

export interface ProbeAnswer {
  instructionSet: string;
  results: {
    name: string;
    losses: number[];
    /** Raw bytes of margin and rank, and the counts: these must not differ by a bit. */
    exact: string;
  }[];
}

export function probeProblems(): { name: string; call: LossCall }[] {
  const random = new SeededRandom(61);
  return DTYPES.flatMap((dtype) =>
    [17, 100, 1000, 9001].flatMap((vocabSize) =>
      PENALTIES.map((penalty, index) => {
        const rows = Array.from({ length: 4 }, () => {
          const row = random.normals(vocabSize, 3);
          return index % 2 === 0 ? row : row.map((z) => Math.round(2 * z) / 2);
        });
        const permitted = rows.map(() => random.sample(1 + random.integer(vocabSize), vocabSize));
        const targets = permitted.map((tokens) => tokens[random.integer(tokens.length)] as number);
        const allowed = [undefined, csrOf(permitted), bitmaskOf(permitted, vocabSize)][index % 3];
        const beamWidth = [1, 10, 64, 300, vocabSize, 7][index] as number;
        const options = {
          penalty,
          beamWidth,
          allowed,
          reduction: 'none',
          softcap: index === 4 ? 20 : undefined,
        } as const;
        return {
          name: `${dtype}, V = ${vocabSize}, ${penalty}, B = ${beamWidth}`,
          call: callOf(rows, targets, options, dtype),
        };
      }),
    ),
  );
}

if (require.main === module) {
  const results = probeProblems().map(({ name, call }): ProbeAnswer['results'][number] => {
    const { loss, prunedRate, accuracy, rows } = runBackend(call);
    if (rows === undefined) throw new Error('the probe asks for row statistics');
    const exact = [rows.margin, rows.rank, Float64Array.of(prunedRate, accuracy)];
    return {
      name,
      losses: Array.from(loss as Float32Array),
      exact: exact.map((view) => bytesOf(view as ArrayBufferView).toString('hex')).join(' '),
    };
  });
  const answer: ProbeAnswer = { instructionSet: capabilities().instructionSet, results };
  process.stdout.write(JSON.stringify(answer));
}
