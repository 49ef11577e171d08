// What the command line uses. Not a public entry point of the package.
export { compare, comparePart, comparisonOfRun, mergeComparisons, RUNS_FOLDER } from './comparison/compare.js';
export { comparisonTables } from './comparison/report.js';
export { summarize } from './comparison/summary.js';
export { differenceTable, figuresTable, notes } from './comparison/table.js';
export { verdictOf } from './comparison/verdict.js';
export { writeComparison, writeRunReport } from './comparison/write-comparison.js';
export { writeCodeIndex } from './data/code-index.js';
export { loadDataset } from './data/dataset-files.js';
export { syntheticDataset } from './data/synthetic-data.js';
export { readWordVectors } from './data/word-vectors.js';
export { codesOfRun, openTrainedRun, recommend } from './training/recommend.js';
export { run } from './training/run.js';
export { searchTemperatureOf } from './training/run-options.js';
export { describeWorkbench, openWorkbench } from './training/workbench.js';
