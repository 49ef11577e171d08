// Prints the last line of .ci/run: the counts of the reports, and one failure for each failed step that no report explains.
// A report is named after its step and has the counts of jest's own. Exits with 1 where anything failed.
const { readdirSync, readFileSync } = require('node:fs');
const { basename, join } = require('node:path');

const [folder, ...failedSteps] = process.argv.slice(2);
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
const reports = new Map(
  files.map((name) => [basename(name, '.json'), JSON.parse(readFileSync(join(folder, name), 'utf8'))]),
);

for (const step of failedSteps) console.log(`FAILED: ${step}`);

// A file that could not be loaded has no tests to count.
const failedTests = (report) => (report?.numFailedTests ?? 0) + (report?.numRuntimeErrorTestSuites ?? 0);
const skippedTests = (report) => (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0);
const sum = (of) => [...reports.values()].reduce((total, report) => total + of(report), 0);

const passed = sum((report) => report.numPassedTests ?? 0);
const skipped = sum(skippedTests);
const otherFailures = failedSteps.filter((step) => failedTests(reports.get(step)) === 0).length;
const ofTests = reports.get('tests')?.numPassedTests ?? 0;
const failed = Math.max(sum(failedTests) + otherFailures, ofTests === 0 ? 1 : 0);

console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 ? 1 : 0;
