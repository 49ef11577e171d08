import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

const SHARED = process.env.FUSED_BEAR_LOSS_SHARED ?? resolve(__dirname, '../../../../shared');

/** `describe` of a data set that is not part of the repository; skipped, and named so, where it is not there. */
export function describeWithData(name: string, body: (folder: string) => void): void {
  const folder = join(SHARED, 'data', name);
  if (existsSync(folder)) describe(name, () => body(folder));
  else describe.skip(`${name} (skipped: ${folder} is not there)`, () => body(folder));
}
