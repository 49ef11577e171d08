/** float32, float16 and bfloat16 between their stored form and float64. Encoding rounds once, to nearest, ties to even. */

export type DType = 'float32' | 'float16' | 'bfloat16';
export type LogitArray = Float32Array | Uint16Array;

export const DTYPES: readonly DType[] = ['float32', 'float16', 'bfloat16'];

interface Layout {
  mantissaBits: number;
  exponentBits: number;
}
const LAYOUTS: Record<Exclude<DType, 'float32'>, Layout> = {
  float16: { mantissaBits: 10, exponentBits: 5 },
  bfloat16: { mantissaBits: 7, exponentBits: 8 },
};

/** The 16 bits nearest to a float64. Straight from float64: going through float32 would round twice. */
export function encodeBits(value: number, dtype: 'float16' | 'bfloat16'): number {
  const { mantissaBits, exponentBits } = LAYOUTS[dtype];
  const infinity = (2 ** exponentBits - 1) << mantissaBits;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  if (Number.isNaN(value)) return infinity | (1 << (mantissaBits - 1));
  const magnitude = Math.abs(value);
  const bias = 2 ** (exponentBits - 1) - 1;
  // Below the smallest normal number the grid keeps the spacing of the smallest normal binade.
  const exponent = Math.max(binaryExponent(magnitude), 1 - bias);
  const steps = roundToEven(magnitude * 2 ** (mantissaBits - exponent));
  // A carry out of the mantissa runs into the exponent field and gives the right number, infinity included.
  const bits = ((exponent - 1 + bias) << mantissaBits) + steps;
  return sign | (magnitude === 0 ? 0 : Math.min(bits, infinity));
}

/** The float64 that 16 stored bits stand for: exact. */
function decodedBits(bits: number, dtype: 'float16' | 'bfloat16'): number {
  const { mantissaBits, exponentBits } = LAYOUTS[dtype];
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits & 0x7fff) >> mantissaBits;
  const mantissa = bits & (2 ** mantissaBits - 1);
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return mantissa === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - mantissaBits);
  return sign * (2 ** mantissaBits + mantissa) * 2 ** (exponent - bias - mantissaBits);
}

// Tests decode millions of numbers of which there are 65536.
const DECODED = {
  float16: Float64Array.from({ length: 2 ** 16 }, (_, bits) => decodedBits(bits, 'float16')),
  bfloat16: Float64Array.from({ length: 2 ** 16 }, (_, bits) => decodedBits(bits, 'bfloat16')),
};

/** The float64 that 16 stored bits stand for: exact. */
export function decodeBits(bits: number, dtype: 'float16' | 'bfloat16'): number {
  return DECODED[dtype][bits] as number;
}

export function encode(values: ArrayLike<number>, dtype: DType): LogitArray {
  if (dtype === 'float32') return Float32Array.from(values);
  const stored = new Uint16Array(values.length);
  for (let i = 0; i < stored.length; ++i) stored[i] = encodeBits(values[i] as number, dtype);
  return stored;
}

export function decode(stored: LogitArray, dtype: DType): Float64Array {
  const values = new Float64Array(stored.length);
  for (let i = 0; i < values.length; ++i) {
    values[i] = dtype === 'float32' ? (stored[i] as number) : decodeBits(stored[i] as number, dtype);
  }
  return values;
}

export function allocate(length: number, dtype: DType): LogitArray {
  return dtype === 'float32' ? new Float32Array(length) : new Uint16Array(length);
}

/** The bytes behind a view, for comparisons bit for bit (NaN payloads and the sign of zero included). */
export function bytesOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

/** How many representable numbers apart two stored 16-bit numbers are; +0 and -0 are the same number. */
export function unitsApart(bitsA: number, bitsB: number): number {
  const position = (bits: number) => (bits & 0x8000 ? -(bits & 0x7fff) : bits);
  return Math.abs(position(bitsA) - position(bitsB));
}

const number = new DataView(new ArrayBuffer(8));

/** floor(log2(magnitude)), as the number's own bits hold it; -1023 for 0 and what float64 cannot normalise. */
function binaryExponent(magnitude: number): number {
  number.setFloat64(0, magnitude);
  return ((number.getUint16(0) >>> 4) & 0x7ff) - 1023;
}

function roundToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest > 0.5 ? below + 1 : below;
  return below % 2 === 0 ? below : below + 1;
}
