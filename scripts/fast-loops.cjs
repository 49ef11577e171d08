// What the fast loops of the kernels are made of, by their machine code: instructions on the path that a warp takes when
// nothing rare happens. Needs a disassembler, `cuobjdump` of a full CUDA toolkit or of Triton's wheel: on the PATH, or
// named by the environment variable CUOBJDUMP.
const { execFileSync } = require('node:child_process');

const cuobjdump = process.env.CUOBJDUMP ?? 'cuobjdump';

/** Why nothing can be counted here, or undefined. */
function whyNotCounted() {
  try {
    execFileSync(cuobjdump, ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'there is no cuobjdump';
  }
}

/** The functions of a cubin: name and instructions `{ address, text, target }`, `target` being that of a branch. */
function disassemble(cubin) {
  const text = execFileSync(cuobjdump, ['-sass', cubin], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const functions = [];
  for (const line of text.split('\n')) {
    const name = /^\s*Function : (\S+)/.exec(line)?.[1];
    if (name !== undefined) functions.push({ name, instructions: [] });
    const found = /^\s*\/\*([0-9a-f]{4,})\*\/\s+(.*?)\s*;/.exec(line);
    if (found === null) continue;
    const target = /\bBRA\b.*?\b0x([0-9a-f]+)/.exec(found[2])?.[1];
    functions.at(-1).instructions.push({
      address: Number.parseInt(found[1], 16),
      text: found[2],
      target: target === undefined ? undefined : Number.parseInt(target, 16),
    });
  }
  return functions;
}

const isWideLoad = ({ text }) => /\bLDG\.E(?:\.\w+)*\.128\b/.test(text);
const isWideStore = ({ text }) => /\bSTG\.E(?:\.\w+)*\.128\b/.test(text);
const isNarrowLoad = (each) => /\bLDG\b/.test(each.text) && !isWideLoad(each);
const isNarrowStore = (each) => /\bSTG\b/.test(each.text) && !isWideStore(each);
const isWideRecall = ({ text }) => /\bLDS\.128\b/.test(text);
const isExponential = ({ text }) => /\bMUFU\.EX2\b/.test(text);
const isDouble = ({ text }) => /\b(?:D(?:ADD|MUL|FMA|SETP|MNMX)|MUFU\.\w*64H?)\b|\.F64\b/.test(text);
const isBranch = ({ text }) => /\b(?:BRA|BRX|CALL|RET|EXIT)\b/.test(text);
const isEnd = ({ text }) => /^(?:BRA|EXIT|RET|BRX|JMP)\b/.test(text) && !/^BRA\.(?:DIV|CONV)/.test(text);

/**
 * The cheapest way from the loop's first instruction to the branch back on which `counts` is met `most` times: rare work is
 * what it goes around. Undefined where there is none.
 */
function cheapestPath(instructions, first, last, counts, most) {
  const index = new Map(instructions.map(({ address }, at) => [address, at]));
  // From the end: cost[at][needed] of a path from `at` on that still meets `needed`.
  const cost = new Map();
  const visit = (at, needed) => {
    if (at < first || at > last) return undefined;
    const key = at * 1024 + needed;
    if (cost.has(key)) return cost.get(key);
    cost.set(key, undefined); // a way that comes back here is none
    const instruction = instructions[at];
    const left = Math.max(0, needed - (counts(instruction) ? 1 : 0));
    let best;
    const take = (next) => {
      if (next !== undefined && (best === undefined || next.length + 1 < best.length)) {
        best = { length: next.length + 1, next, at };
      }
    };
    if (at === last) {
      if (left === 0) best = { length: 1, next: undefined, at };
    } else {
      if (instruction.target !== undefined && instruction.target > instruction.address) {
        take(visit(index.get(instruction.target) ?? -1, left));
      }
      if (!isEnd(instruction)) take(visit(at + 1, left));
    }
    cost.set(key, best);
    return best;
  };
  const path = visit(first, most);
  if (path === undefined) return undefined;
  const found = [];
  for (let step = path; step !== undefined; step = step.next) found.push(instructions[step.at]);
  return found;
}

const VECTORS = 4; // of a thread in a tile: kTileVectors

/**
 * The innermost loops with as many exponentials as a thread has logits in a tile. Of each one, what is on its fast path,
 * which loads a tile's vectors and stores them where the loop has such instructions.
 */
function fastLoops(instructions, exponentials) {
  const index = new Map(instructions.map(({ address }, at) => [address, at]));
  const found = [];
  instructions.forEach((instruction, last) => {
    if (instruction.target === undefined || instruction.target > instruction.address) return;
    const first = index.get(instruction.target);
    if (first === undefined || found.some((other) => other.first >= first && other.last <= last)) return;
    const body = instructions.slice(first, last + 1);
    const among = (predicate) => body.filter(predicate).length;
    if (among(isExponential) < exponentials) return;
    // What a whole tile takes of each kind, in the order of preference. The first loop is the sweep. The gradient of a tile
    // that was kept comes from shared memory, though the loop can load it as well.
    const wide = [isWideLoad, VECTORS];
    const recall = [isWideRecall, VECTORS];
    const choices = [
      [[isExponential, exponentials]],
      found.length === 0 ? [wide, [isNarrowLoad, exponentials]] : [recall, wide],
      found.length === 0
        ? []
        : [
            [isWideStore, VECTORS],
            [isNarrowStore, exponentials],
          ],
    ];
    const wanted = choices.flatMap((kinds) =>
      kinds.filter(([predicate, count]) => among(predicate) >= count).slice(0, 1),
    );
    const counts = (each) => wanted.some(([predicate]) => predicate(each));
    const path = cheapestPath(
      instructions,
      first,
      last,
      counts,
      wanted.reduce((sum, [, count]) => sum + count, 0),
    );
    if (path === undefined) return;
    const count = (predicate) => path.filter(predicate).length;
    found.push({
      first,
      last,
      path,
      wideLoads: count(isWideLoad),
      wideStores: count(isWideStore),
      doubles: count(isDouble),
      branches: count(isBranch),
    });
  });
  return found;
}

/** Of plain_kernel's fast loops: the sweep, and the gradient of rows that are kept where it writes one. */
function countLoops(cubin, kernelName, lengthOf) {
  const counted = [];
  for (const { name, instructions } of disassemble(cubin)) {
    const kernel = kernelName(name);
    if (!kernel.startsWith('plain_kernel')) continue;
    const loops = fastLoops(instructions, VECTORS * lengthOf(kernel));
    const names = kernel.includes('forward') ? ['sweep'] : ['sweep', 'gradient'];
    if (loops.length !== names.length) throw new Error(`${kernel} has ${loops.length} fast loops, not ${names.length}`);
    names.forEach((loop, i) => {
      const { path, wideLoads, wideStores, doubles, branches } = loops[i];
      counted.push({ kernel, loop, instructions: path.length / VECTORS, wideLoads, wideStores, doubles, branches });
    });
  }
  return counted;
}

module.exports = { countLoops, whyNotCounted };
