// jax-js by its own operations, in one jit.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type * as JaxModule from '@jax-js/jax';
import type { LinearShape } from '../suites/inputs';
import type { OpenContender } from '../suites/suite';

export type Jax = typeof JaxModule;

function load(): Jax | undefined {
  try {
    // Node 20 has no navigator, which jax-js asks for its threads.
    if (!('navigator' in globalThis)) Object.assign(globalThis, { navigator: { hardwareConcurrency: 1 } });
    return require('@jax-js/jax') as Jax;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

export function jaxVersion(): string | undefined {
  if (load() === undefined) return undefined;
  const manifest = join(dirname(require.resolve('@jax-js/jax')), '..', 'package.json'); // not among its exports
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  return `${version}, wasm`;
}

export async function openJax(): Promise<Jax> {
  const jax = load() as Jax;
  await jax.init('wasm');
  jax.defaultDevice('wasm');
  return jax;
}

/** Cross-entropy of a linear layer, with the gradients of hidden states and weights [V, H]. */
export async function openJaxCrossEntropy(
  { rows, vocabSize, hiddenSize }: LinearShape,
  { hidden, weight, targets }: { hidden: Float32Array; weight: Float32Array; targets: Int32Array },
): Promise<OpenContender> {
  const jax = await openJax();
  const { numpy: np, nn } = jax;
  const inputs = np.array(hidden as Float32Array<ArrayBuffer>).reshape([rows, hiddenSize]);
  const weights = np.array(weight as Float32Array<ArrayBuffer>).reshape([vocabSize, hiddenSize]);
  const step = jax.jit(
    jax.valueAndGrad(([x, w]: [JaxModule.Array, JaxModule.Array], ids: JaxModule.Array) => {
      const isTarget = np
        .arange(vocabSize)
        .reshape([1, vocabSize])
        .equal(ids.reshape([rows, 1]))
        .astype(np.float32);
      return nn
        .logSoftmax(np.matmul(x, w.transpose()))
        .mul(isTarget)
        .sum()
        .mul(-1 / rows);
    }),
  );
  return {
    run: async () => {
      const start = performance.now();
      const [value, gradients] = step([inputs.ref, weights.ref], np.array(targets as Int32Array<ArrayBuffer>));
      const [loss] = await value.data();
      for (const gradient of gradients) (await gradient.blockUntilReady()).dispose();
      return { milliseconds: performance.now() - start, loss: loss as number };
    },
    close: () => {
      inputs.dispose();
      weights.dispose();
      step.dispose();
    },
  };
}
