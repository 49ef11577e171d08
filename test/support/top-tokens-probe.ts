/**
 * Prints, as JSON, what topTokens answers to a fixed list of problems. Run as a process of its own, once per instruction
 * set (FUSED_BEAR_LOSS_INSTRUCTION_SET), because the choice is made once per process.
 */
import { capabilities } from '../../lib/index';
import { DTYPES } from './dtype';
import {
  CONSTRAINTS,
  LOGIT_KINDS,
  makeTopTokensProblem,
  runTopTokens,
  type TopTokensShape,
} from './top-tokens-problems';

export interface TopTokensAnswer {
  instructionSet: string;
  results: { tokens: number[]; logProbabilities: (number | string)[]; logSumExp: (number | string)[] }[];
}

export function probeShapes(): TopTokensShape[] {
  return DTYPES.flatMap((dtype) =>
    [17, 300, 5000].flatMap((vocabSize) =>
      LOGIT_KINDS.map((logits, index) => ({
        seed: 1000 + index,
        rows: 3,
        vocabSize,
        padding: index % 3,
        startOffset: index % 2,
        dtype,
        logits,
        constraint: CONSTRAINTS[index % 4] as (typeof CONSTRAINTS)[number],
        beamWidth: [1, 10, 16, 17, 100, 400][(index + vocabSize) % 6] as number,
        temperature: index % 4 === 1 ? 0.7 : undefined,
        softcap: index % 5 === 2 ? 30 : undefined,
      })),
    ),
  );
}

// JSON has no infinities.
const asText = (values: Float32Array) =>
  Array.from(values, (value) => (Number.isFinite(value) ? value : String(value)));

if (require.main === module) {
  const results = probeShapes().map((shape) => {
    const { tokens, logProbabilities, logSumExp } = runTopTokens(makeTopTokensProblem(shape));
    return { tokens: Array.from(tokens), logProbabilities: asText(logProbabilities), logSumExp: asText(logSumExp) };
  });
  const answer: TopTokensAnswer = { instructionSet: capabilities().instructionSet, results };
  process.stdout.write(JSON.stringify(answer));
}
