import { nodeModule } from '../options/node-module.js';

const { readFileSync } = nodeModule('node:fs');
const { createRequire } = nodeModule('node:module');
const { dirname, join } = nodeModule('node:path');

const { name, version } = require('../../package.json') as { name: string; version: string };

/**
 * The package's folder. In a bundle: that of the same version where the program would find it; undefined where it is not
 * installed.
 */
export function packageRoot(): string | undefined {
  const candidates = [folderAbove, installedFolder];
  for (const candidate of candidates) {
    const folder = candidate();
    if (folder !== undefined && isThisPackage(folder)) return folder;
  }
  return undefined;
}

// lib/ and dist/ lie equally deep below the package's folder. A bundle of ES modules has no __dirname.
function folderAbove(): string | undefined {
  return typeof __dirname === 'string' ? join(__dirname, '..', '..') : undefined;
}

function installedFolder(): string | undefined {
  const program = typeof __filename === 'string' ? __filename : process.argv[1];
  try {
    return dirname(createRequire(program as string).resolve(`${name}/package.json`));
  } catch {
    return undefined; // not installed, or a program without a file
  }
}

function isThisPackage(folder: string): boolean {
  try {
    const found = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: string; version?: string };
    return found.name === name && found.version === version;
  } catch {
    return false;
  }
}
