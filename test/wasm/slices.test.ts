import type { NativeOutcome } from '../../lib/native/binding';

const ABORTED: NativeOutcome = { status: 'aborted' };

/** The queue, with the turns of the event loop in the hands of the test. */
function queueWithTurns() {
  const turns: (() => void)[] = [];
  const own = globalThis.setImmediate;
  globalThis.setImmediate = ((callback: () => void) => turns.push(callback)) as unknown as typeof setImmediate;
  try {
    let enqueue!: typeof import('../../lib/wasm/slices').enqueue;
    jest.isolateModules(() => {
      ({ enqueue } = require('../../lib/wasm/slices'));
    });
    return { enqueue, turns };
  } finally {
    globalThis.setImmediate = own;
  }
}

describe('the queue of asynchronous calls on the module', () => {
  it('gives a turn of the event loop to each slice, and computes calls in their order', () => {
    const { enqueue, turns } = queueWithTurns();
    const ended: string[] = [];
    let slices = 0;
    enqueue({ step: () => (++slices < 3 ? undefined : ABORTED) }, () => ended.push('first'));
    enqueue({ step: () => ABORTED }, () => ended.push('second'));
    for (let turn = 0; turn < 2; turn++) turns.shift()?.();
    expect(ended).toEqual([]);
    while (turns.length > 0) turns.shift()?.();
    expect(ended).toEqual(['first', 'second']);
  });

  it('goes on with the next call after one that threw', () => {
    const { enqueue, turns } = queueWithTurns();
    const ended: NativeOutcome[] = [];
    const step = () => {
      throw new Error('planted');
    };
    enqueue({ step }, (outcome) => ended.push(outcome));
    enqueue({ step: () => ABORTED }, (outcome) => ended.push(outcome));
    expect(() => turns.shift()?.()).toThrow('planted');
    turns.shift()?.();
    expect(ended).toEqual([ABORTED]);
    expect(turns).toEqual([]);
  });
});
