import type { Tensor } from '../model/tensor.js';

export interface AdamOptions {
  weightDecay?: number;
  /** Names of parameters without weight decay. */
  undecayed?: ReadonlySet<string>;
  beta1?: number;
  beta2?: number;
}

/** AdamW (Loshchilov and Hutter, 2019). jax-js has no optimiser package, and the parameters are on the host anyway. */
export class AdamW {
  /** All that the next update depends on, beside the parameters. */
  readonly moments = new Map<string, { first: Float32Array; second: Float32Array }>();
  steps = 0;

  constructor(private readonly options: AdamOptions = {}) {}

  /** Moves each parameter against its gradient. Both are looked up by name. */
  update(
    parameters: Readonly<Record<string, Tensor>>,
    gradients: Readonly<Record<string, Float32Array>>,
    learningRate: number,
  ): void {
    const { weightDecay = 0.01, undecayed, beta1 = 0.9, beta2 = 0.98 } = this.options;
    this.steps++;
    const firstScale = 1 / (1 - beta1 ** this.steps);
    const secondScale = 1 / (1 - beta2 ** this.steps);
    for (const [name, { data }] of Object.entries(parameters)) {
      const gradient = gradients[name];
      if (gradient?.length !== data.length) throw new Error(`no gradient of the right size for ${name}`);
      const { first, second } = this.momentsOf(name, data.length);
      const decay = undecayed?.has(name) ? 0 : weightDecay;
      for (let index = 0; index < data.length; index++) {
        const slope = gradient[index] as number;
        const mean = beta1 * (first[index] as number) + (1 - beta1) * slope;
        const square = beta2 * (second[index] as number) + (1 - beta2) * slope * slope;
        first[index] = mean;
        second[index] = square;
        const step = (mean * firstScale) / (Math.sqrt(square * secondScale) + 1e-8);
        const weight = data[index] as number;
        data[index] = weight - learningRate * (step + decay * weight);
      }
    }
  }

  private momentsOf(name: string, length: number): { first: Float32Array; second: Float32Array } {
    let moments = this.moments.get(name);
    if (!moments) {
      moments = { first: new Float32Array(length), second: new Float32Array(length) };
      this.moments.set(name, moments);
    }
    return moments;
  }
}
