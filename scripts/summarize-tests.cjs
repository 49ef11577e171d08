// Prints the last line of .ci/run: the counts in jest's JSON report, and one failure for each failed step that is not
// among them. Exits with 1 where anything failed.
const { existsSync, readFileSync } = require('node:fs');

const [reportFile, ...failedSteps] = process.argv.slice(2);
const report = existsSync(reportFile) ? JSON.parse(readFileSync(reportFile, 'utf8')) : undefined;

for (const step of failedSteps) console.log(`FAILED: ${step}`);

const passed = report?.numPassedTests ?? 0;
const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
// A file that could not be loaded has no tests to count.
const failedTests = (report?.numFailedTests ?? 0) + (report?.numRuntimeErrorTestSuites ?? 0);
const otherFailures = failedSteps.filter((step) => step !== 'tests' || failedTests === 0).length;
const failed = Math.max(failedTests + otherFailures, passed === 0 ? 1 : 0);

console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 ? 1 : 0;
