import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Row } from '../data/dataset.js';
import type { TitleCodes } from '../data/title-codes.js';
import { writeAtomically } from './atomic-file.js';
import type { Workbench } from './workbench.js';

/** What a trained model needs of its data: the titles or their codes, and the rows that its evidence is counted from. */
export interface RunData {
  titles: Map<number, string>;
  codes?: TitleCodes;
  train: Row[];
}

export function writeRunData(file: string, { dataset, split, codes }: Workbench): void {
  const parts = { titles: [...dataset.titles], ...(codes && { codes: [...codes] }), train: split.train };
  writeAtomically(file, [JSON.stringify(parts)]);
}

/** @throws Error that names the file */
export function readRunData(file: string): RunData {
  try {
    const { titles, codes, train } = JSON.parse(readFileSync(file, 'utf8')) ?? {};
    if (!Array.isArray(titles) || !Array.isArray(train)) throw new Error('no titles and training rows in it');
    return { titles: new Map(titles), ...(codes && { codes: new Map(codes) }), train };
  } catch (cause) {
    throw new Error(`${file}: cannot be read (${(cause as Error).message})`, { cause });
  }
}

/** Of the titles, their codes and the rows of all parts: other data give another digest. */
export function digestOf({ dataset, split, codes }: Workbench): string {
  return createHash('sha256')
    .update(JSON.stringify([[...dataset.titles], split, ...(codes ? [[...codes]] : [])]))
    .digest('hex');
}
