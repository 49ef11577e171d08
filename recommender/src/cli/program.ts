import { Command } from 'commander';
import { addCodesCommand } from './codes-command.js';
import { version } from './command-line.js';
import { addCompareCommand } from './compare-command.js';
import { addDemoCommand } from './demo-command.js';
import { addRecommendCommand } from './recommend-command.js';
import { printable } from './terminal.js';
import { addTrainCommand } from './train-command.js';

/** The command line, ready to parse. Actions reject with errors whose message is for the user. */
export function createProgram(): Command {
  const program = new Command('fused-bear-recommender')
    .description('A small generative recommender that is trained with the BEAR loss.')
    .version(version)
    .configureOutput({ writeErr: (text) => process.stderr.write(printable(text)) })
    .showHelpAfterError('(--help lists the options)');
  addTrainCommand(program);
  addRecommendCommand(program);
  addCodesCommand(program);
  addCompareCommand(program);
  addDemoCommand(program);
  return program;
}
