// What to say where no addon can be loaded.
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot } from './package-root.js';

export function addonNotFound(cause: Error): Error {
  const message = [
    'fused-bear-loss: the native addon could not be loaded.',
    `  ${cause.message.trim().split('\n').join('\n  ')}`,
    `This is ${process.platform}-${process.arch} (${describeLibc()}), Node ${process.version}. Looked in:`,
    ...searchedFolders().map((folder) => `  ${folder}: ${describeFolder(folder)}`),
    'What helps:',
    '  in an application:  npm rebuild fused-bear-loss',
    '  where npm does not run install scripts:  npm install-scripts approve fused-bear-loss, then the line above',
    '  in a clone:  npm ci && npm run build',
    'Building needs a C++17 compiler with make and Python (or, in a clone, cmake). A node_modules folder that was',
    'installed on another operating system or C library has to be installed anew.',
  ].join('\n');
  return Object.assign(new Error(message, { cause }), { code: 'ERR_BEAR_ADDON_NOT_FOUND' });
}

function describeLibc(): string {
  if (process.platform !== 'linux') return 'no Linux';
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime ? `glibc ${header.glibcVersionRuntime}` : 'no glibc, perhaps musl';
}

// In the order of node-gyp-build.
function searchedFolders(): string[] {
  const root = process.env.FUSED_BEAR_LOSS_PREBUILD ?? packageRoot;
  const target = join('prebuilds', `${process.platform}-${process.arch}`);
  const builds = process.env.PREBUILDS_ONLY ? [] : [join(root, 'build', 'Release'), join(root, 'build', 'Debug')];
  return [...builds, join(root, target), join(dirname(process.execPath), target)];
}

function describeFolder(folder: string): string {
  try {
    const addons = readdirSync(folder).filter((name) => name.endsWith('.node'));
    return addons.length > 0 ? addons.join(', ') : 'no addon in it';
  } catch {
    return 'not there';
  }
}
