const { existsSync } = require('node:fs');
const { join } = require('node:path');

const swc = [
  '@swc/jest',
  { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
];

const common = {
  rootDir: __dirname,
  testEnvironment: 'node',
  moduleFileExtensions: ['ts', 'mts', 'js', 'mjs', 'cjs', 'json', 'node'],
  transform: { '\\.[cm]?[jt]s$': swc },
  // ES modules only, and jest runs CommonJS.
  transformIgnorePatterns: [
    '/node_modules/(?!llama3-tokenizer-js/|vega|d3-|internmap/|delaunator/|robust-predicates/|@tensorflow/tfjs-core/dist/(?!tf-core))',
  ],
  moduleNameMapper: {
    // Tests see the sources, also where an example imports the package by its own name.
    '^fused-bear-loss$': '<rootDir>/lib/index.ts',
    '^fused-bear-loss/(cuda|decoding)$': '<rootDir>/lib/$1/index.ts',
    '^fused-bear-loss/(tfjs|jax)$': '<rootDir>/lib/adapters/$1.ts',
    // The build for Node awaits at top level, which CommonJS cannot.
    '^vega-canvas$': '<rootDir>/node_modules/vega-canvas/build/vega-canvas.browser.js',
    // TypeScript sources name the file that tsc will write.
    '^(\\.{1,2}/.*)\\.js$': ['$1.ts', '$1.js'],
    '^(\\.{1,2}/.*)\\.mjs$': ['$1.mts', '$1.mjs'],
  },
  // Handed to each module: looking up a global of a vm context costs more than most calls of it.
  sandboxInjectedGlobals: ['Math', 'Number', 'Object', 'Array'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/recommender/dist/', '<rootDir>/build'],
};

// A few rows a chunk, so that the host arrays of tests cross to a device in several. Here, as the addon does not see what
// a test writes to its own copy of the environment.
process.env.FUSED_BEAR_LOSS_CUDA_CHUNK_BYTES ??= '8192';

const room = (name) => `<rootDir>/test/${name}/`;

const ofDevices = ['contract', 'golden', 'cuda'].map((name) => `${room(name)}**/*.test.ts`);

// On a card: only where it is asked for (`npm run test:cuda`), as every other machine would fail.
const card = { ...common, displayName: 'cuda', testMatch: ofDevices };
const cards = process.env.FUSED_BEAR_LOSS_TEST_DEVICE === 'cuda' ? [card] : [];

// The contract and the facade on the WebAssembly module, and what only the module has.
const wasm = {
  ...common,
  displayName: 'wasm',
  setupFiles: ['<rootDir>/test/support/use-wasm.ts'],
  testMatch: ['contract', 'golden', 'options', 'loss', 'linear', 'decoding', 'wasm'].map(
    (name) => `${room(name)}**/*.test.ts`,
  ),
};
const hasModule = existsSync(join(__dirname, 'dist', 'wasm', 'module-bytes.js'));
if (!hasModule) console.log('The tests of the WebAssembly module are skipped: npm run build:wasm did not build it.');

/** @type {import('jest').Config} */
module.exports = {
  // Whoever hangs is stopped; a busy machine is not: the default, 5 s, is shorter than some tests take beside others.
  testTimeout: 60_000,
  projects: [
    {
      ...common,
      displayName: 'fast',
      testMatch: ['<rootDir>/test/**/*.test.ts'],
      testPathIgnorePatterns: [
        '/node_modules/',
        ...['browser', 'cuda', 'faults', 'standalone', 'packaging', 'wasm'].map(room),
      ],
    },
    // The contract once more, and what only devices have, on the device that the tests' own addon emulates.
    {
      ...common,
      displayName: 'cuda-emulated',
      setupFiles: ['<rootDir>/test/support/use-emulated-device.ts'],
      testMatch: ofDevices,
    },
    ...cards,
    ...(hasModule ? [wasm] : []),
    // The browser build in headless Chromium.
    { ...common, displayName: 'browser', testMatch: [`${room('browser')}**/*.test.ts`] },
    // The workspace package, which sees the sources of the library as its users see the package.
    { ...common, displayName: 'recommender', testMatch: ['<rootDir>/recommender/test/**/*.test.ts'] },
    // Starts processes of its own: leaks, worker termination, exit, faults.
    {
      ...common,
      displayName: 'standalone',
      testMatch: ['standalone', 'faults'].map((name) => `${room(name)}**/*.test.ts`),
    },
    // Builds, packs and installs the package: minutes.
    { ...common, displayName: 'packaging', testMatch: ['<rootDir>/test/packaging/**/*.test.ts'] },
  ],
};
