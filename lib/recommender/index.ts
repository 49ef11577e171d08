// What the command line uses. Not a public entry point of the package.
export { compare } from './comparison.js';
export { writeComparison } from './comparison-files.js';
export { comparisonTables } from './comparison-report.js';
export { summarize } from './comparison-summary.js';
export { notes } from './comparison-table.js';
export { loadDataset } from './dataset-files.js';
export { openTrainedRun, recommend } from './recommend.js';
export { run } from './run.js';
export { syntheticDataset } from './synthetic-data.js';
export { describeWorkbench, openWorkbench } from './workbench.js';
