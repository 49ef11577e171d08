import { join } from 'node:path';

/** The package's folder: lib/ and dist/ lie equally deep below it. */
export function packageRoot(): string {
  return join(__dirname, '..', '..');
}
