import { describe, fail, refuse } from './errors.js';
import { forEachElement, isArray } from './reading.js';

/** More would be a mistake. */
const MOST_DIMENSIONS = 64;

/** A shape that a caller gave, each extent read once: integers of at least 0, at least `fewest` of them. */
export function readShape(shape: unknown, argument: string, fewest: number): readonly number[] {
  const expected = `an array of ${fewest} to ${MOST_DIMENSIONS} integers of at least 0`;
  if (!isArray(shape)) refuse('ERR_BEAR_SHAPE', argument, expected, shape);
  const extents: unknown[] = [];
  forEachElement(shape, argument, 'integers', (extent) => {
    if (extents.length === MOST_DIMENSIONS) refuse('ERR_BEAR_SHAPE', argument, expected, shape);
    extents.push(extent);
  });
  const isShape =
    extents.length >= fewest && extents.every((extent) => Number.isSafeInteger(extent) && (extent as number) >= 0);
  if (isShape) return extents as number[];
  const received = `[${extents.map(describe).join(', ')}]`;
  fail('ERR_BEAR_SHAPE', argument, expected, received);
}
