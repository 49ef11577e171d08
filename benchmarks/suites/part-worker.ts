// A worker thread that has a part of the vocabulary.
import { parentPort, workerData } from 'node:worker_threads';
import { type BearPartials, bearPartials, bearShardGradient, mergeBearPartials } from 'fused-bear-loss';

export interface PartInputs {
  logits: Float32Array;
  gradLogits: Float32Array;
  targets: Int32Array;
  shape: [rows: number, tokens: number];
  options: { firstToken: number; vocabSize: number; beamWidth: number; threads: number };
}

/** Once it has begun, its partials, and the loss when the gradient is written. */
export type PartReply = 'ready' | BearPartials | number;

const { logits, gradLogits, targets, shape, options } = workerData as PartInputs;
const part = { data: logits, shape };
const reply = (message: PartReply) => parentPort?.postMessage(message);

parentPort?.on('message', (message: 'start' | BearPartials[]) => {
  if (message === 'start') return reply(bearPartials(part, targets, options));
  const merged = mergeBearPartials(message, options);
  const { loss } = bearShardGradient(part, targets, merged, { ...options, out: { gradLogits } });
  reply(loss as number);
});
reply('ready');
