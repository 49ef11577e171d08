import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeAtomically } from './atomic-file.js';
import type { Row } from './dataset.js';
import type { Workbench } from './workbench.js';

/** What a trained model needs of its data: the titles, and the rows that its evidence is counted from. */
export interface RunData {
  titles: Map<number, string>;
  train: Row[];
}

export function writeRunData(file: string, { dataset, split }: Workbench): void {
  writeAtomically(file, [JSON.stringify({ titles: [...dataset.titles], train: split.train })]);
}

/** @throws Error that names the file */
export function readRunData(file: string): RunData {
  try {
    const { titles, train } = JSON.parse(readFileSync(file, 'utf8')) ?? {};
    if (!Array.isArray(titles) || !Array.isArray(train)) throw new Error('no titles and training rows in it');
    return { titles: new Map(titles), train };
  } catch (cause) {
    throw new Error(`${file}: cannot be read (${(cause as Error).message})`, { cause });
  }
}

/** Of the titles and the rows of all parts: other data give another digest. */
export function digestOf({ dataset, split }: Workbench): string {
  return createHash('sha256')
    .update(JSON.stringify([[...dataset.titles], split]))
    .digest('hex');
}
