/**
 * Writes what the CPU backend answers along the border of float32, serialized by v8. Run as a process of its own, once per
 * instruction set (FUSED_BEAR_LOSS_INSTRUCTION_SET), because the choice is made once per process.
 */
import { serialize } from 'node:v8';
import { type BearLossResult, capabilities } from '../../lib/index';
import { runBackend } from './loss-call';
import { magnitudeProblems } from './magnitude-problems';

export interface MagnitudeAnswer {
  instructionSet: string;
  results: BearLossResult[];
}

if (require.main === module) {
  const results = magnitudeProblems().map(({ call }) => runBackend(call));
  const answer: MagnitudeAnswer = { instructionSet: capabilities().instructionSet, results };
  process.stdout.write(serialize(answer));
}
