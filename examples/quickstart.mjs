// node examples/quickstart.mjs
import { fusedBearLoss } from 'fused-bear-loss';

// Two decoding steps over a vocabulary of five tokens. Beam search of width 2 would drop the target of the second one.
const logits = Float32Array.of(2.0, 0.5, -1.0, 0.1, 0.3, /* second step */ 1.2, 0.9, 0.2, -0.5, 0.4);
const targets = [0, 2];
const result = fusedBearLoss({ data: logits, shape: [2, 5] }, targets, { beamWidth: 2, lambda: 0.25, rows: true });
console.log('loss', result.loss, 'pruned', result.prunedRate);
console.log('pruning margin', result.rows.margin);
console.log('gradient by the logits', result.gradLogits);
