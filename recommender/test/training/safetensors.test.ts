import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, writeSafetensors } from '../../src/training/safetensors';
import { withFolder } from '../support/recommender';

const tensors = {
  weights: { data: Float32Array.of(1, -2.5, 3e-40, Number.MAX_VALUE, 0, 7), shape: [2, 3] },
  bias: { data: Float32Array.of(0.1), shape: [1] },
};
const state = JSON.stringify({ epoch: 3, title: 'Lápiz "2"' });

describe('safetensors', () => {
  it('gives back tensors and state', () =>
    withFolder((folder) => {
      const file = join(folder, 'checkpoint');
      writeSafetensors(file, tensors, state);
      expect(readSafetensors(file)).toEqual({ tensors, state });
    }));

  it('has the layout of the format: length, padded header, numbers at the offsets of the header', () =>
    withFolder((folder) => {
      const file = join(folder, 'checkpoint');
      writeSafetensors(file, tensors, state);
      const content = readFileSync(file);
      const length = Number(content.readBigUInt64LE(0));
      expect(length % 8).toBe(0);
      const { weights, bias } = JSON.parse(content.toString('utf8', 8, 8 + length));
      expect(weights).toEqual({ dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] });
      expect(bias).toEqual({ dtype: 'F32', shape: [1], data_offsets: [24, 28] });
      expect(content.readFloatLE(8 + length + 4)).toBe(-2.5);
      expect(content.length).toBe(8 + length + 28);
    }));

  it('refuses a file cut short anywhere, and names it', () =>
    withFolder((folder) => {
      const file = join(folder, 'checkpoint');
      writeSafetensors(file, tensors, state);
      const content = readFileSync(file);
      for (let length = 0; length < content.length; length++) {
        writeFileSync(file, content.subarray(0, length));
        expect(() => readSafetensors(file)).toThrow(`${file}: not a whole checkpoint`);
      }
    }));

  it('refuses a file with a wrong digit in the numbers or in the state', () =>
    withFolder((folder) => {
      const file = join(folder, 'checkpoint');
      writeSafetensors(file, tensors, state);
      const content = readFileSync(file);
      const epoch = content.indexOf('\\"epoch\\":3') + '\\"epoch\\":'.length;
      for (const [place, byte] of [
        [content.length - 1, 0x55],
        [epoch, '4'.charCodeAt(0)],
      ] as const) {
        const damaged = Buffer.from(content);
        damaged[place] = byte;
        writeFileSync(file, damaged);
        expect(() => readSafetensors(file)).toThrow(`${file}: not a whole checkpoint (what it holds is not what was`);
      }
    }));
});
