const { version } = require('../../package.json') as { version: string };

/** Of this package. */
export { version };

/** The command that runs, for a report. */
export function commandLine(): string {
  return ['fused-bear-recommender', ...process.argv.slice(2)].map(quoted).join(' ');
}

/** As a shell takes it. */
function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
