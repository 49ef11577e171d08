import * as fs from 'node:fs';

const process_ = process as unknown as { getBuiltinModule: unknown };
const { getBuiltinModule } = process_;
afterEach(() => {
  process_.getBuiltinModule = getBuiltinModule;
});

function nodeModuleAgain(): typeof process.getBuiltinModule {
  let again: typeof import('../../lib/options/node-module') | undefined;
  jest.isolateModules(() => {
    again = require('../../lib/options/node-module');
  });
  return again?.nodeModule as typeof process.getBuiltinModule;
}

describe('nodeModule()', () => {
  it('is the module that a program imports', () => {
    expect(nodeModuleAgain()('node:fs').readFileSync).toBe(fs.readFileSync);
  });

  it('is the same on a Node that has no function for it', () => {
    process_.getBuiltinModule = undefined;
    expect(nodeModuleAgain()('node:fs').readFileSync).toBe(fs.readFileSync);
  });
});
