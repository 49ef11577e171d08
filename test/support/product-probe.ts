/**
 * Prints, as JSON, what the linear form gives for a fixed list of problems with bfloat16 factors. Run as a process of
 * its own, once per instruction set (FUSED_BEAR_LOSS_INSTRUCTION_SET), because the choice is made once per process.
 */
import { capabilities, fusedLinearBearLoss } from '../../lib/index';
import { argumentsOf, type LinearCall, randomCall } from '../linear/linear-call';
import { bytesOf, decode } from './dtype';
import { SeededRandom } from './random';

export interface ProductProbeAnswer {
  instructionSet: string;
  results: { loss: number; rank: number[]; gradHidden: number[]; gradWeight: number[]; digest: string }[];
}

/** Around the sizes of tiles and blocks: 16 rows, 32 terms, 64 columns, 128, 256 and 1024 terms, 96 and 192 tokens. */
const SHAPES = [
  { rows: 1, vocabSize: 1, hiddenSize: 32 },
  { rows: 1, vocabSize: 200, hiddenSize: 64 },
  { rows: 15, vocabSize: 95, hiddenSize: 32 },
  { rows: 17, vocabSize: 97, hiddenSize: 96 },
  { rows: 33, vocabSize: 191, hiddenSize: 288 },
  { rows: 64, vocabSize: 193, hiddenSize: 160 },
  { rows: 130, vocabSize: 64, hiddenSize: 64 },
  { rows: 20, vocabSize: 1100, hiddenSize: 64 },
  { rows: 20, vocabSize: 300, hiddenSize: 33 },
];

export function productProblems(): LinearCall[] {
  return SHAPES.map((shape, index) => {
    const bias = new SeededRandom(3).normals(shape.vocabSize);
    return randomCall(71 + index, shape, { beamWidth: Math.min(4, shape.vocabSize), bias }, 'bfloat16');
  });
}

export function answerProducts(): ProductProbeAnswer {
  const results = productProblems().map((call) => {
    const result = fusedLinearBearLoss(...argumentsOf(call), { ...call.options, needs: undefined, rows: true });
    return {
      loss: result.loss as unknown as number,
      rank: Array.from(result.rows.rank),
      gradHidden: Array.from(decode(result.gradHidden, 'bfloat16')),
      gradWeight: Array.from(result.gradWeight),
      digest: bytesOf(result.gradWeight).toString('base64').slice(0, 4096),
    };
  });
  return { instructionSet: capabilities().instructionSet, results };
}

if (require.main === module) process.stdout.write(JSON.stringify(answerProducts()));
