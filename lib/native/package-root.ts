import { join } from 'node:path';

// lib/ and dist/ lie equally deep below it.
export const packageRoot = join(__dirname, '..', '..');
