// The next item of a walk: logits = output * embedding[item]. Plain loops and Adam, as the loss is what this is about.
import { fusedBearLossAsync } from 'fused-bear-loss';

const DIMENSION = 24;
const LEARNING_RATE = 0.01;

export class NextItemModel {
  constructor(items, rows) {
    this.items = items;
    this.embedding = new Weights(items * DIMENSION, 1);
    this.output = new Weights(items * DIMENSION, 2);
    this.logits = new Float32Array(rows * items);
    this.gradLogits = new Float32Array(rows * items);
  }

  /** One step of training. Returns the result of the loss, with its row statistics. */
  async step(history, targets, options) {
    const { items, embedding, output, logits, gradLogits } = this;
    history.forEach((item, row) => {
      const from = embedding.values.subarray(item * DIMENSION, (item + 1) * DIMENSION);
      for (let token = 0; token < items; token++) {
        let sum = 0;
        for (let d = 0; d < DIMENSION; d++) sum += output.values[token * DIMENSION + d] * from[d];
        logits[row * items + token] = sum;
      }
    });
    const result = await fusedBearLossAsync(logits, targets, {
      ...options,
      vocabSize: items,
      rows: true,
      out: { gradLogits },
    });
    history.forEach((item, row) => {
      const from = item * DIMENSION;
      for (let token = 0; token < items; token++) {
        const slope = gradLogits[row * items + token];
        for (let d = 0; d < DIMENSION; d++) {
          embedding.gradient[from + d] += slope * output.values[token * DIMENSION + d];
          output.gradient[token * DIMENSION + d] += slope * embedding.values[from + d];
        }
      }
    });
    embedding.descend();
    output.descend();
    return result;
  }
}

/** Weights that Adam changes (Kingma and Ba, 2015). */
class Weights {
  constructor(count, seed) {
    this.values = Float32Array.from({ length: count }, (_, index) => 0.1 * Math.sin(12.9898 * index + 78.233 * seed));
    this.gradient = new Float32Array(count);
    this.first = new Float32Array(count);
    this.second = new Float32Array(count);
    this.steps = 0;
  }

  /** Follows the gradient, and clears it. */
  descend() {
    this.steps++;
    const [scale, squareScale] = [1 / (1 - 0.9 ** this.steps), 1 / (1 - 0.999 ** this.steps)];
    for (let index = 0; index < this.values.length; index++) {
      const slope = this.gradient[index];
      this.first[index] += 0.1 * (slope - this.first[index]);
      this.second[index] += 0.001 * (slope * slope - this.second[index]);
      const pace = (this.first[index] * scale) / (Math.sqrt(this.second[index] * squareScale) + 1e-8);
      this.values[index] -= LEARNING_RATE * pace;
    }
    this.gradient.fill(0);
  }
}
