#!/usr/bin/env node
import { createProgram } from './program.js';

createProgram()
  .parseAsync()
  .catch((error: Error) => {
    console.error(`fused-bear-loss: ${error.message}`);
    process.exitCode = 1;
  });
