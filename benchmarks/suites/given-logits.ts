// What suite `loss` has beside the memory floors: PyTorch on the CPU with the same logits, loss and gradient.
import { fusedBearLoss } from 'fused-bear-loss';
import { caseName, fullShapes, type LossName, losses, quickShapes, type Shape } from '../cases';
import { TorchPeer } from '../peers/torch';
import { blockFile, LOGIT_DEVIATION, logitsOf, targetsOf, touched } from './inputs';
import { lazily, type Suite, type SuiteCase, type SuiteContender, timed } from './suite';

/** PyTorch's losses of the logits that `logitsOf` makes. */
export function torchOfLogits({ rows, vocabSize }: Shape, threads: number): SuiteContender[] {
  const torch = new TorchPeer(
    () => ({ blocks: blockFile(), rows, vocabSize, scale: LOGIT_DEVIATION, targets: [...targetsOf(rows, vocabSize)] }),
    threads,
  );
  return [
    {
      name: "BEAR by the authors' formula, PyTorch",
      peer: 'PyTorch',
      computes: 'BEAR',
      open: () => torch.open('authors'),
    },
    {
      name: 'cross-entropy, PyTorch',
      peer: 'PyTorch',
      computes: 'cross-entropy',
      open: () => torch.open('cross-entropy'),
    },
  ];
}

function contendersOf(shape: Shape, threads: number): SuiteContender[] {
  const { rows, vocabSize } = shape;
  const logits = lazily(() => logitsOf(rows, vocabSize));
  const gradLogits = lazily(() => touched(rows * vocabSize));
  const targets = targetsOf(rows, vocabSize);
  const ours = (loss: LossName): SuiteContender => ({
    name: loss,
    computes: loss,
    open: () => {
      const options = { ...losses[loss], vocabSize, threads, out: { gradLogits: gradLogits() } };
      const values = logits();
      return timed(() => fusedBearLoss(values, targets, options));
    },
  });
  return [ours('BEAR'), ours('cross-entropy'), ...torchOfLogits(shape, threads)];
}

function caseOf(shape: Shape, threads: number): SuiteCase {
  const { rows, vocabSize } = shape;
  return {
    name: caseName({ shape, dtype: 'float32', threads, pass: 'out of place' }),
    parameters: { N: rows, V: vocabSize, threads },
    reference: 'BEAR',
    contenders: () => contendersOf(shape, threads),
  };
}

export const givenLogits: Suite = {
  name: 'loss',
  description: 'fusedBearLoss beside PyTorch',
  legend:
    'Loss and gradient of float32 logits. The gradient of ours goes into a given array, autograd makes a new one.',
  listCases: ({ size, threads }) =>
    (size === 'quick' ? quickShapes : fullShapes).flatMap((shape) => threads.map((count) => caseOf(shape, count))),
  targets: [],
};
