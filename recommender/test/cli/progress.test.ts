import { PassThrough } from 'node:stream';
import { runProgress } from '../../src/cli/progress';

const EPOCH = {
  epoch: 1,
  loss: 1.25,
  crossEntropy: 1.5,
  prunedRate: 0.0625,
  validationNdcg: 0.5,
  lossMilliseconds: 10,
  stepMilliseconds: 2000,
};

/** What a terminal would get. */
function openTerminal() {
  let text = '';
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 200 });
  stream.on('data', (part) => {
    text += part;
  });
  return { stream, text: () => text };
}

describe('runProgress', () => {
  let lines: string[];

  beforeEach(() => {
    lines = [];
    jest.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
  });

  afterEach(() => jest.restoreAllMocks());

  it('shows loss, pruned rate and time left on a terminal, and a line for each epoch', () => {
    const { stream, text } = openTerminal();
    const { onStep, onEpoch, stop } = runProgress('msl', stream);
    onStep?.({ done: 5, total: 20, epoch: 0, loss: 1.2345, crossEntropy: 1, prunedRate: 0.0625 });
    onEpoch?.(EPOCH);
    stop();
    expect(text()).toMatch(
      /msl \[=+-+\] 25 % \| epoch 1 \| cross-entropy 1\.000 \| loss 1\.234 \| pruned 0\.063 \| \S+ left/,
    );
    expect(lines).toEqual([
      'msl: epoch 1, cross-entropy 1.5000, loss 1.2500, pruned 0.0625, validation NDCG@10 0.5000, 2.0 s, 0.5 % of it the loss',
    ]);
  });

  it('goes through evaluation, too, with a bar for each part', () => {
    const { stream, text } = openTerminal();
    const { onStep, onEvaluation, onEpoch, stop } = runProgress('msl', stream);
    onStep?.({ done: 20, total: 40, epoch: 0, loss: 1, crossEntropy: 1, prunedRate: 0 });
    onEvaluation?.({ part: 'validation', done: 10, total: 40 });
    onEpoch?.(EPOCH);
    onStep?.({ done: 30, total: 40, epoch: 1, loss: 1, crossEntropy: 1, prunedRate: 0 });
    onEvaluation?.({ part: 'test', done: 30, total: 40 });
    stop();
    const shown = [...text().matchAll(/(\d+) % \| (epoch \d|\w+)/g)].map(
      ([, percentage, what]) => `${what} ${percentage}`,
    );
    expect(shown.filter((each, index) => each !== shown[index - 1])).toEqual([
      'starting 0',
      'epoch 1 50',
      'validation 25',
      'epoch 2 75',
      'test 75',
    ]);
  });

  it('writes only the lines where there is no terminal', () => {
    const stream = new PassThrough();
    const { onStep, onEpoch, stop } = runProgress('msl', stream);
    onStep?.({ done: 5, total: 20, epoch: 0, loss: 1.2345, crossEntropy: 1, prunedRate: 0.0625 });
    onEpoch?.(EPOCH);
    stop();
    expect(stream.read()).toBeNull();
    expect(lines).toHaveLength(1);
  });

  it('writes out what a terminal would obey in the title', () => {
    const { stream, text } = openTerminal();
    const { onEpoch, stop } = runProgress('msl,T=\u20281\u001b[31m', stream);
    onEpoch?.(EPOCH);
    stop();
    expect(lines[0]).toMatch(/^msl,T=\\u20281\\u001b\[31m: epoch 1/);
    expect(text()).toContain('msl,T=\\u20281\\u001b[31m [');
  });

  it('leaves no handler of signals behind', () => {
    const before = process.listenerCount('SIGINT');
    runProgress('msl', new PassThrough()).stop();
    expect(process.listenerCount('SIGINT')).toBe(before);
  });
});
