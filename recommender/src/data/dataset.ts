/** A moment at which to recommend something. */
export interface Query {
  /** Number of the user in the data, if it is one of them. */
  user?: number;
  /** Item ids, oldest first. */
  history: number[];
  /** Seconds since 1970. */
  time: number;
  /** What others bought is known up to this time; default `time`. */
  knownUntil?: number;
}

/** One training or test example: a query and what came next. */
export interface Row extends Query {
  user: number;
  target: number;
}

export interface Dataset {
  /** What the numbers were computed on, for the reader of the output. */
  description: string;
  titles: Map<number, string>;
  /** `train.csv` */
  rows: Row[];
  /** `test_5000.csv`: what the authors test on, later than all of `rows`. Empty where there is no such file. */
  laterRows: Row[];
}

// The files of a data folder, in the format of the BEAR authors' published data.
export const CATALOGUE_FILE = 'id2name4Rec.json';
export const ROWS_FILE = 'train.csv';
export const LATER_ROWS_FILE = 'test_5000.csv';
