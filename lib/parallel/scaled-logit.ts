// The functions that a merge needs, by additions, multiplications and divisions alone: `Math.exp` and `Math.tanh` may
// differ in the last digit between two versions of Node, and all processes must get the same bits.

// exp(x) = 2^k exp(r) with |r| <= log(2) / 2, and exp(r) by the rational approximation of FreeBSD's e_exp.c.
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const LEAST = -745.2; // below, exp(x) is 0

/** exp(x) for x <= 0. */
export function exponential(x: number): number {
  if (x < LEAST) return 0;
  const steps = Math.round(-x * Math.LOG2E);
  const high = x + steps * LN2_HIGH;
  const low = -steps * LN2_LOW;
  const rest = high - low;
  const square = rest * rest;
  let series = -0.0000016533902205465252 + square * 4.1381367970572385e-8;
  series = 0.00006613756321437934 + square * series;
  series = -0.0027777777777015593 + square * series;
  series = 0.16666666666666602 + square * series;
  const c = rest - square * series;
  return powerOfHalf(steps, 1 - (low - (rest * c) / (2 - c) - high));
}

/** y / 2^steps, rounded at most once: powers of two are exact, and the last product alone may leave the normal numbers. */
function powerOfHalf(steps: number, y: number): number {
  let power = 1;
  let base = 0.5;
  for (let left = Math.min(steps, 1000); left > 0; left >>= 1) {
    if (left & 1) power *= base;
    base *= base;
  }
  if (steps <= 1000) return y * power;
  let rest = 1;
  for (let left = steps - 1000; left > 0; left--) rest *= 0.5;
  return y * power * rest;
}

function tanh(x: number): number {
  const size = Math.abs(x);
  return Math.sign(x) * (size < 0.25 ? tanhOfSmall(size) : tanhOfLarge(size));
}

function tanhOfLarge(x: number): number {
  const decay = exponential(-2 * x);
  return (1 - decay) / (1 + decay);
}

/** By the series of exp(2 x) - 1, as 1 - exp(-2 x) would cancel. */
function tanhOfSmall(x: number): number {
  let series = 1;
  for (let term = 16; term > 1; term--) series = 1 + ((2 * x) / term) * series;
  const growth = 2 * x * series;
  return growth / (growth + 2);
}

export interface LogitScale {
  temperature: number;
  /** 0: none. */
  softcap: number;
}

/** softcap(z) / temperature */
export function scaledLogit(logit: number, { temperature, softcap }: LogitScale): number {
  return (softcap > 0 ? softcap * tanh(logit / softcap) : logit) / temperature;
}
