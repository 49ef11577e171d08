import { allocate } from './arrays.js';
import type { Allocate } from './uncleared-array.js';

// Browsers clear all memory.
export const allocateUncleared: Allocate = allocate;
