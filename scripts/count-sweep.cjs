// `npm run count:sweep`: the machine instructions of the sweep for each vector of logits, by instruction set. They are
// those of the loop over whole blocks of 64 float32 logits, prefetches and the loop's own included, in the objects that the
// two compilers make of native/cpu/row_kernel.cc. Counted, not measured.
const { execFileSync } = require('node:child_process');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { compileFlags, rowKernel } = require('../native/sources.json');

const root = join(__dirname, '..');
const BLOCK = 64; // kBlock of native/cpu/row_sweep.h

const TARGETS = {
  avx2: {
    prefix: process.arch === 'x64' ? '' : 'x86_64-linux-gnu-',
    lanes: 8,
    define: 'FBL_HAVE_X86_INSTRUCTION_SETS',
  },
  neon: { prefix: process.arch === 'arm64' ? '' : 'aarch64-linux-gnu-', lanes: 4, define: 'FBL_HAVE_NEON' },
};

/** Why nothing can be counted for an instruction set, or undefined. */
function whyNotCounted(instructionSet) {
  const compiler = `${TARGETS[instructionSet].prefix}g++`;
  try {
    execFileSync(compiler, ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return `there is no ${compiler}`;
  }
}

/** Instructions of the sweep for each vector. */
function countSweep(instructionSet) {
  const { prefix, lanes, define } = TARGETS[instructionSet];
  const folder = mkdtempSync(join(tmpdir(), 'count-sweep-'));
  try {
    const object = join(folder, 'row_kernel.o');
    const flags = [
      ...compileFlags,
      ...rowKernel.instructionSets[instructionSet],
      `-I${root}`,
      '-DNDEBUG',
      `-D${define}=1`,
    ];
    execFileSync(`${prefix}g++`, [
      ...flags,
      `-DFBL_INSTRUCTION_SET=${instructionSet}`,
      ...['-c', join(root, 'native/cpu/row_kernel.cc'), '-o', object],
    ]);
    const text = execFileSync(`${prefix}objdump`, ['-d', '--no-show-raw-insn', object], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    return longestInnerLoop(functionOf(text)) / (BLOCK / lanes);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** sum_blocks of plain float32 logits with nothing kept and no companion, as `{ address, target }` for each instruction. */
function functionOf(text) {
  const body = text
    .split(/\n\n/)
    .find((part) => /^[0-9a-f]+ <\S*sum_blocksILb0E\S*ScalingE0EfNS\S*NoCompanion/m.test(part));
  if (body === undefined) throw new Error('sum_blocks was not found in the object');
  const instructions = [];
  for (const [, address, instruction] of body.matchAll(/^\s*([0-9a-f]+):\s+(\S.*)$/gm)) {
    const target = /^(?:j\w+|b(?:\.\w+)?|cbn?z|tbn?z)\s+(?:\S+, )*([0-9a-f]+) </.exec(instruction)?.[1];
    instructions.push({
      address: Number.parseInt(address, 16),
      target: target === undefined ? undefined : Number.parseInt(target, 16),
    });
  }
  return instructions;
}

/** Instructions of the longest loop that holds no other. */
function longestInnerLoop(instructions) {
  const loops = instructions
    .filter(({ address, target }) => target !== undefined && target < address)
    .map(({ address, target }) => ({ first: target, last: address }));
  const inner = loops.filter(
    (loop) => !loops.some((other) => other !== loop && other.first >= loop.first && other.last <= loop.last),
  );
  const lengths = inner.map(
    ({ first, last }) => instructions.filter(({ address }) => address >= first && address <= last).length,
  );
  return Math.max(...lengths);
}

module.exports = { countSweep, whyNotCounted };

if (require.main === module) {
  for (const instructionSet of Object.keys(TARGETS)) {
    const missing = whyNotCounted(instructionSet);
    console.log(
      `${instructionSet}: ${missing ?? `${countSweep(instructionSet)} instructions per vector of ${TARGETS[instructionSet].lanes} logits`}`,
    );
  }
}
