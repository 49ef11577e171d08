import type { ItemCodes } from './code-index.js';
import type { WordVectors } from './word-vectors.js';

/** A moment at which to recommend something. */
export interface Query {
  /** Number of the user in the data, if it is one of them. */
  user?: number;
  /** Item ids, oldest first. */
  history: number[];
  /** Seconds since 1970; in data without times, the place in the user's history, counted from its end: 0, -1, and so on. */
  time: number;
  /** What others bought is known up to this time; default `time`. */
  knownUntil?: number;
}

/** One training or test example: a query and what came next. */
export interface Row extends Query {
  user: number;
  target: number;
  /**
   * The history is all that the user had before, and has rows of its own. Then a pair of items counts once, in the row whose
   * target is the later one; otherwise in each row that holds both.
   */
  isNested?: true;
}

export interface Dataset {
  /** What the numbers were computed on, for the reader of the output. */
  description: string;
  titles: Map<number, string>;
  /** `train.csv` */
  rows: Row[];
  /** `test_5000.csv`: what the authors test on, later than all of `rows`. Empty where there is no such file. */
  laterRows: Row[];
  /** Codes of the items that came with the data, or that the user gave. */
  codes?: ItemCodes;
  /** What is known of the words of the titles from elsewhere: where vectors start, and what codes are made from, too. */
  wordVectors?: WordVectors;
  /** Whether the data are whole histories without times, which are split by leave-one-out. */
  isUntimed?: true;
  /** Whether items have titles: otherwise `titles` holds their numbers in words, and only codes can be written. */
  isUntitled?: true;
}

// The files of a data folder, in the format of the BEAR authors' published data.
export const CATALOGUE_FILE = 'id2name4Rec.json';
export const ROWS_FILE = 'train.csv';
export const LATER_ROWS_FILE = 'test_5000.csv';
