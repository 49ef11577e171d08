#!/usr/bin/env node
import { constants } from 'node:os';
import { createProgram } from './program.js';
import { printable } from './terminal.js';

// Whoever reads the output has seen enough, as `| head` does: ends as a program that SIGPIPE ends.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(128 + constants.signals.SIGPIPE);
});

createProgram()
  .parseAsync()
  .catch((error: Error) => {
    console.error(printable(`fused-bear-loss: ${error.message}`));
    process.exitCode = 1;
  });
