// The check on a card, as somebody gets it who has the archive and nothing else; and what its commands say without a card.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ofKind, parseRecords } from '../../benchmarks/device-check/records';
import type { StepResult } from '../../benchmarks/device-check/results';
import { readTests } from '../../benchmarks/device-check/steps';
import { linkCommands, makeTemporaryFolder, removeFolder, repositoryRoot, run } from './support.js';

const program = join(repositoryRoot, 'build', 'device-check', 'device_check');
const kit = join(repositoryRoot, 'benchmarks', 'device-check');
const isCardHere = spawnSync('nvidia-smi', ['-L']).status === 0;

let folder: string;

beforeAll(() => {
  folder = makeTemporaryFolder('device-check');
});
afterAll(() => removeFolder(folder));

/** Stand in for CUDA's tools: run the program that they are given, and print what they would. */
const tools = {
  'compute-sanitizer': `#!/bin/sh
shift 4
"$@" && echo '========= ERROR SUMMARY: 0 errors'
`,
  ncu: `#!/bin/sh
while [ "\${1%device_check}" = "$1" ]; do shift; done
"$@" || exit
echo '"ID","Kernel Name","Grid Size","gpu__time_duration.sum"'
echo '"","","","us"'
echo '"0","row_kernel","(2, 1, 1)","1.5"'
`,
};

/** A PATH with a stand-in for each of CUDA's tools, and without Node. */
function bareEnvironment(): NodeJS.ProcessEnv {
  const bin = join(folder, 'bin');
  linkCommands(bin, ['bash', 'dirname', 'mktemp', 'rm', 'sh', 'tar', 'timeout', 'xz']);
  // Python itself: what is on the PATH may be a script that looks for it.
  const python = run('python3', ['-c', 'import sys; print(sys.executable)'], { cwd: folder }).stdout.trim();
  symlinkSync(python, join(bin, 'python3'));
  for (const [name, text] of Object.entries(tools)) writeFileSync(join(bin, name), text, { mode: 0o755 });
  return { PATH: bin, HOME: folder, TMPDIR: folder };
}

// First, as it builds what the others run.
describe('the archive', () => {
  it('is smaller than 50 MB, and rehearses the check in an empty folder without Node, checkout or network', () => {
    const carried = join(folder, 'carried');
    run('npm', ['run', '--silent', 'pack:device-check', '--', '--folder', carried], { cwd: repositoryRoot });
    expect(statSync(join(carried, 'device-check.tar.xz')).size).toBeLessThan(50e6);

    const out = join(folder, 'out');
    const env = { ...bareEnvironment(), OUT: out };
    const { status, stdout, stderr } = spawnSync('bash', ['run.sh', '--emulated'], {
      cwd: carried,
      env,
      encoding: 'utf8',
    });
    expect({ status, output: status === 0 ? '' : `${stdout}\n${stderr}`.slice(-4000) }).toEqual({
      status: 0,
      output: '',
    });
    expect(stdout).toContain('| step | what | result |');
    expect(stdout).toMatch(/REHEARSAL on the emulated device, nothing was measured: ALL RIGHT/);

    const file = readdirSync(out).find((name) => name.endsWith('.json')) as string;
    const { emulated, steps } = JSON.parse(readFileSync(join(out, file), 'utf8'));
    expect(emulated).toBe(true);
    expect(steps.length).toBeGreaterThan(10);
    const statuses = steps.map(({ name, status: each, reason }: StepResult) => ({ name, status: each, reason }));
    expect(statuses).toEqual(steps.map(({ name }: StepResult) => ({ name, status: 'ok', reason: '' })));
  });

  it('loads every file of tests that the checkout has for a GPU', () => {
    const unpacked = join(folder, 'unpacked');
    mkdirSync(unpacked);
    run('tar', ['-xJf', join(folder, 'carried', 'device-check.tar.xz'), '-C', unpacked], { cwd: folder });
    const env = { ...process.env, FUSED_BEAR_LOSS_TEST_DEVICE: 'cuda' };
    const jest = ['node_modules/jest/bin/jest.js', '--selectProjects', 'cuda'];
    // Each file is loaded, and no test in it runs.
    const arguments_ = [
      ...jest,
      '--json',
      '--testNamePattern',
      '^no test has this name$',
      '--testPathPatterns',
      'test/',
    ];
    const loaded = spawnSync(join(unpacked, 'node'), arguments_, {
      cwd: unpacked,
      env,
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
    expect(readTests({ exitCode: loaded.status, ...loaded }).reason).toBe('no test ran');

    const { stdout } = run(process.execPath, [...jest, '--listTests'], { cwd: repositoryRoot, env });
    const files = stdout.split('\n').filter((line) => line.endsWith('.test.ts'));
    expect(loaded.stdout).toContain(`"numTotalTestSuites":${files.length},`);
  });
});

// Visible where there is a card, as a skipped test is.
const describeWithoutCard = isCardHere ? describe.skip : describe;

describeWithoutCard('without a card', () => {
  it('npm run check:device ends with one clear line and 2', () => {
    const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'check:device', '--', '--no-build'], {
      cwd: repositoryRoot,
      encoding: 'utf8',
    });
    expect({ status, stdout, lines: stderr.trim().split('\n').length }).toEqual({ status: 2, stdout: '', lines: 1 });
    expect(stderr).toMatch(/No CUDA device can be used: .+|device_check is not built: it takes nvcc/);
  });

  it('the Node part ends with 2 and says why', () => {
    const script = join('benchmarks', 'device-check', 'node-checks.ts');
    const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', script, '4'], {
      cwd: repositoryRoot,
      encoding: 'utf8',
    });
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toEqual({
      kind: 'error',
      message: expect.stringMatching(/^no CUDA device can be used: ./),
    });
  });

  it.each(['limits', 'small-cases', 'large-shapes', 'ceilings', 'times', 'profile'])(
    'device_check %s ends with 2',
    (step) => {
      if (!existsSync(program)) {
        console.warn('SKIPPED: device_check is not built, as there is no nvcc');
        return;
      }
      const { status, stdout } = spawnSync(program, [step], { encoding: 'utf8' });
      expect(status).toBe(2);
      expect(stdout).toMatch(/^No CUDA device can be used: .+\n$/);
    },
  );
});

describe('the programs', () => {
  it.each([
    'peers.py',
    'peers_triton.py',
    'torch_losses.py',
    'stand-ins/stand_in.py',
    'stand-ins/torch.py',
    'stand-ins/triton.py',
  ])('%s is Python', (file) => {
    const compile = 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")';
    run('python3', ['-c', compile, join(kit, file)], { cwd: folder });
  });

  it('peers.py says that torch is not there, and ends with 4', () => {
    // A module that cannot be imported, whether torch is installed or not.
    const missing = join(folder, 'missing');
    mkdirSync(missing);
    writeFileSync(join(missing, 'torch.py'), 'raise ImportError("no torch here")\n');
    const { status, stdout } = spawnSync('python3', [join(kit, 'peers.py'), '--inputs', 'none', 'float32,2,10'], {
      encoding: 'utf8',
      env: { ...process.env, PYTHONPATH: missing },
    });
    expect(status).toBe(4);
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'skipped', name: 'torch' });
  });

  describe('peers.py beside the stand-in for torch', () => {
    const shapes = ['float32,2,10', 'bfloat16,2,10', 'float32,3,11'];

    function recordsWithin(seconds: number) {
      const inputs = join(folder, 'inputs.bin');
      writeFileSync(inputs, Buffer.alloc(16));
      const { stdout } = run(
        'python3',
        [join(kit, 'peers.py'), '--inputs', inputs, '--seconds', String(seconds), ...shapes],
        { cwd: folder, env: { ...process.env, PYTHONPATH: join(kit, 'stand-ins'), PYTHONDONTWRITEBYTECODE: '1' } },
      );
      return parseRecords(stdout);
    }

    it('times every contender on every shape, the compiled ones too', () => {
      const times = ofKind(recordsWithin(60), 'time');
      for (const contender of new Set(times.map((each) => each.contender))) {
        const timed = times.filter((each) => each.contender === contender && each.pass === 'forward');
        expect({
          contender,
          timed: timed.map(({ dtype, rows, vocabSize }) => `${dtype},${rows},${vocabSize}`),
        }).toEqual({
          contender,
          timed: shapes,
        });
      }
      expect(times.map(({ contender }) => contender)).toContain("authors' formula, compiled");
    });

    it('says which there was no time for', () => {
      const records = recordsWithin(0);
      const skipped = ofKind(records, 'skipped').filter(({ reason }) => reason === 'no time left');
      expect(ofKind(records, 'time')).toEqual([]);
      // Two passes of six contenders.
      expect(skipped).toHaveLength(2 * 6 * shapes.length);
    });
  });

  it.each([
    ['large-shapes', 'float32,2,515'],
    ['small-cases', 'float32'],
  ])('device_check %s finds a device that computes something else', (...args) => {
    const emulated = join(repositoryRoot, 'build', 'device-check-emulated', 'device_check');
    expect(spawnSync(emulated, args).status).toBe(0);
    // Exponentials that err by far more than any tolerance allows.
    const env = { ...process.env, FUSED_BEAR_LOSS_EMULATED_ULPS: '2000' };
    const { status, stdout } = spawnSync(emulated, args, { encoding: 'utf8', env });
    expect(status).toBe(1);
    expect(stdout).toMatch(/"wrong":[1-9].*"first":"[^"]+got [^"]+expected/);
  });
});
