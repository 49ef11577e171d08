// What nvcc says of every kernel on every architecture: registers, static shared memory, stack frame and spills; and what
// follows for occupancy; and, where there is a disassembler, what their fast loops take. `node scripts/cuda-resources.cjs` compiles the kernels, writes native/cuda/resource-budget.json and
// the table of docs/cuda-kernels.md. test/packaging/cuda-resources.test.ts holds the kernels to the budget.
const { execFile, execFileSync } = require('node:child_process');
const { mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { promisify } = require('node:util');
const { countLoops, whyNotCounted } = require('./fast-loops.cjs');

const root = join(__dirname, '..');
const { cuda } = JSON.parse(readFileSync(join(root, 'native', 'sources.json'), 'utf8'));
const budgetFile = join(root, 'native', 'cuda', 'resource-budget.json');
const tableFile = join(root, 'docs', 'cuda-kernels.md');
const tableMarks = ['<!-- resources: begin -->', '<!-- resources: end -->'];
const loopMarks = ['<!-- loops: begin -->', '<!-- loops: end -->'];
const loopArchitecture = '90';

const commonFlags = ['-std=c++17', '-O3', ...cuda.kernelFlags, '-Werror=all-warnings', `-I${root}`];

// From the table "Technical Specifications per Compute Capability" of the CUDA programming guide.
const LIMITS = {
  75: { threads: 1024, blocks: 16, sharedKiB: 64, reservedBytes: 0 },
  80: { threads: 2048, blocks: 32, sharedKiB: 164, reservedBytes: 1024 },
  90: { threads: 2048, blocks: 32, sharedKiB: 228, reservedBytes: 1024 },
  100: { threads: 2048, blocks: 32, sharedKiB: 228, reservedBytes: 1024 },
  120: { threads: 1536, blocks: 24, sharedKiB: 100, reservedBytes: 1024 },
};
const REGISTERS = 65536;
// Registers are given to a warp in units of 256.
const REGISTER_UNIT = 256;

const ELEMENTS = { f: 'float32', NS_7Float16E: 'float16', NS_8BFloat16E: 'bfloat16' };

function hasNvcc() {
  try {
    execFileSync('nvcc', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** `row_kernel<bfloat16>` of a mangled name, `plain_kernel<bfloat16, wide>`; `... wide, forward>` of what writes no gradient. */
function kernelName(mangled) {
  const found = /\d+([a-z]+_kernel)(?:I(f|NS_\d+\w+?E)(?:NS0_\d+(Wide|Narrow)TilesELb([01])E)?E+v)?/.exec(mangled);
  if (!found) throw new Error(`no name of a kernel: ${mangled}`);
  const [, name, element, tiles, gradient] = found;
  const pass = gradient === '0' ? 'forward' : undefined;
  const arguments_ = [ELEMENTS[element], tiles?.toLowerCase(), pass].filter((each) => each !== undefined);
  return arguments_.length === 0 ? name : `${name}<${arguments_.join(', ')}>`;
}

/** Logits in 16 bytes. */
const lengthOf = (kernel) => (kernel.includes('float32') ? 4 : 8);

/** What `ptxas -v` prints, as one record for each kernel and architecture. */
function parsePtxas(text) {
  const parts = text.split(/Compiling entry function /).slice(1);
  return parts.map((part) => {
    const [, mangled, architecture] = /^'(\w+)' for 'sm_(\d+)'/.exec(part);
    const number = (pattern) => Number(pattern.exec(part)?.[1] ?? 0);
    // The kernel's own, and those of the functions that it calls.
    const sum = (pattern) => [...part.matchAll(pattern)].reduce((total, [, bytes]) => total + Number(bytes), 0);
    return {
      kernel: kernelName(mangled),
      architecture,
      registers: number(/Used (\d+) registers/),
      staticSharedBytes: number(/(\d+) bytes smem/),
      stackBytes: sum(/(\d+) bytes stack frame/g),
      spillBytes: sum(/(\d+) bytes spill stores/g) + sum(/(\d+) bytes spill loads/g),
    };
  });
}

/** Compiles the kernels for all architectures: minutes of one processor. */
async function measureResources() {
  const folder = mkdtempSync(join(tmpdir(), 'fbl-cuda-'));
  const targets = cuda.architectures.flatMap((each) => ['-gencode', `arch=compute_${each},code=sm_${each}`]);
  try {
    const output = ['-c', join(root, cuda.kernelUnit), '-o', join(folder, 'kernels.o')];
    const args = [...commonFlags, ...targets, '--threads=2', '-Xptxas', '-v', ...output];
    const { stderr } = await promisify(execFile)('nvcc', args, { maxBuffer: 1 << 26 });
    return parsePtxas(stderr);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The fast loops of the plain kernels, on one architecture. Needs a disassembler. */
async function measureLoops() {
  const folder = mkdtempSync(join(tmpdir(), 'fbl-cuda-'));
  try {
    const cubin = join(folder, 'kernels.cubin');
    const args = [...commonFlags, `-arch=sm_${loopArchitecture}`, '-cubin', join(root, cuda.kernelUnit), '-o', cubin];
    await promisify(execFile)('nvcc', args, { maxBuffer: 1 << 26 });
    const order = ({ kernel, loop }) => `${kernel} ${loop === 'sweep' ? 0 : 1}`;
    return countLoops(cubin, kernelName, lengthOf).sort((a, b) => order(a).localeCompare(order(b)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The intermediate code of a kernel file. */
function compileToPtx(source) {
  const folder = mkdtempSync(join(tmpdir(), 'fbl-cuda-'));
  try {
    const out = join(folder, 'kernels.ptx');
    execFileSync('nvcc', [...commonFlags, `-arch=compute_${cuda.intermediate}`, '-ptx', join(root, source), '-o', out]);
    return readFileSync(out, 'utf8');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Constants of kernels/shared_layout.h, asked of the compiler. */
function readLayout() {
  const folder = mkdtempSync(join(tmpdir(), 'fbl-cuda-'));
  try {
    const program = join(folder, 'layout');
    const source = `#include <cstdio>
#include "native/cuda/kernels/shared_layout.h"
using namespace fused_bear_loss::cuda;
int main() { std::printf("{\\"threads\\":%d,\\"stateBytes\\":%zu}", kMaxThreads, kRowOffset); }`;
    execFileSync('g++', ['-std=c++17', `-I${root}`, '-x', 'c++', '-', '-o', program], { input: source });
    return JSON.parse(execFileSync(program, { encoding: 'utf8' }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Blocks that a multiprocessor holds, and the bytes of a row that each of them can keep. */
function occupancy(architecture, registers, layout) {
  const limits = LIMITS[architecture];
  const warps = layout.threads / 32;
  const registersPerWarp = Math.ceil((registers * 32) / REGISTER_UNIT) * REGISTER_UNIT;
  const blocks = Math.min(
    limits.blocks,
    Math.floor(limits.threads / layout.threads),
    Math.floor(Math.floor(REGISTERS / registersPerWarp) / warps),
    Math.floor((limits.sharedKiB * 1024) / (layout.stateBytes + limits.reservedBytes)),
  );
  const share = Math.floor((limits.sharedKiB * 1024) / blocks) - limits.reservedBytes - layout.stateBytes;
  return {
    blocks,
    percent: Math.round((100 * blocks * layout.threads) / limits.threads),
    rowBytes: Math.floor(share / 16) * 16,
  };
}

function renderTable(budget) {
  const lines = [
    '| kernel | sm | registers | stack and spills | blocks on a multiprocessor | threads | row bytes a block can keep then |',
    '| --- | --- | --- | --- | --- | --- | --- |',
  ];
  for (const { kernel, architecture, registers } of budget.kernels) {
    // Before sm_90 such a kernel is empty and never launched.
    if (kernel.includes('forward') && Number(architecture) < 90) continue;
    const readsLogits = /^(?:row|plain|gradient)_/.test(kernel);
    const { blocks, percent, rowBytes } = occupancy(architecture, registers, budget.layout);
    const rest = readsLogits ? [blocks, `${percent} %`, kernel.startsWith('gradient_') ? '' : rowBytes] : ['', '', ''];
    lines.push(`| \`${kernel}\` | ${architecture} | ${registers} | 0 | ${rest.join(' | ')} |`);
  }
  return lines.join('\n');
}

function renderLoops({ loops }) {
  const lines = [
    '| kernel | loop | warp instructions per 16-byte vector | wide loads in flight | wide stores | in double precision | branches per tile |',
    '| --- | --- | --- | --- | --- | --- | --- |',
  ];
  for (const { kernel, loop, instructions, wideLoads, wideStores, doubles, branches } of loops) {
    lines.push(
      `| \`${kernel}\` | ${loop} | ${instructions} | ${wideLoads} | ${wideStores} | ${doubles} | ${branches} |`,
    );
  }
  return lines.join('\n');
}

function between(document, marks, table) {
  const [begin, end] = marks.map((mark) => document.indexOf(mark));
  if (begin < 0 || end < begin) throw new Error('docs/cuda-kernels.md has no marks for its table');
  return `${document.slice(0, begin + marks[0].length)}\n${table}\n${document.slice(end)}`;
}

const withTable = (document, budget) =>
  between(between(document, tableMarks, renderTable(budget)), loopMarks, renderLoops(budget));

async function main() {
  const measured = await measureResources();
  const faulty = measured.filter(({ spillBytes, stackBytes }) => spillBytes !== 0 || stackBytes !== 0);
  if (faulty.length > 0) throw new Error(`spills or a stack frame: ${JSON.stringify(faulty)}`);
  const kernels = measured
    .map(({ kernel, architecture, registers }) => ({ kernel, architecture, registers }))
    .sort((a, b) => a.kernel.localeCompare(b.kernel) || Number(a.architecture) - Number(b.architecture));
  const reason = whyNotCounted();
  if (reason !== undefined) console.warn(`the fast loops are not counted, and stay as they are: ${reason}`);
  const loops = reason === undefined ? await measureLoops() : JSON.parse(readFileSync(budgetFile, 'utf8')).loops;
  const budget = { layout: readLayout(), kernels, loops };
  const records = (list) => list.map((each) => `    ${JSON.stringify(each)}`).join(',\n');
  const lists = [kernels, loops].map((list) => `[\n${records(list)}\n  ]`);
  const fields = [`"layout": ${JSON.stringify(budget.layout)}`, `"kernels": ${lists[0]}`, `"loops": ${lists[1]}`];
  writeFileSync(budgetFile, `{\n  ${fields.join(',\n  ')}\n}\n`);
  writeFileSync(tableFile, withTable(readFileSync(tableFile, 'utf8'), budget));
}

module.exports = {
  budgetFile,
  compileToPtx,
  hasNvcc,
  measureLoops,
  measureResources,
  readLayout,
  tableFile,
  whyNotCounted,
  withTable,
};

if (require.main === module) {
  main().catch((error) => {
    console.error(error.stderr || error);
    process.exit(1);
  });
}
