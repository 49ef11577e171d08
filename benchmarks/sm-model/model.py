"""Predicts what share of a copy's speed the plain kernels reach: python3 benchmarks/sm-model/model.py

Needs nvcc, node and cuobjdump (of a full CUDA toolkit or of Triton's wheel; on the PATH or named by CUOBJDUMP). The fast
loops are those of the machine code, instruction by instruction; a row's serial phases are delays. Nothing here has been
compared with a GPU.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

from multiprocessor import Multiprocessor, cycles_per_row, read_instructions

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
CUOBJDUMP = os.environ.get('CUOBJDUMP', 'cuobjdump')
SHARED, RESERVED = 228 * 1024, 1024
TILE_VECTORS = 4
MULTIPROCESSORS = 132
# Terabytes a second that a copy moves, gigahertz.
CARDS = {'H100': (3.0, 1.755), 'H200': (4.3, 1.9)}

# Cycles of a block's serial phases. The first and the last are those that phases.py of the review found by walking the
# machine code of commit d5558ff; the bound's and the threshold's selections have changed since, and are assumed.
PROLOGUE, BOUND, REDUCE, THRESHOLD, OUTCOME = 1030, 800, 900, 900, 5115
CLUSTER_COLLECTION = 800  # the other blocks' sums and queues, 200 cycles a dependent access


def compile_loops(unit):
    with tempfile.TemporaryDirectory() as folder:
        cubin = os.path.join(folder, 'kernels.cubin')
        subprocess.run(['nvcc', '-std=c++17', '-O3', '-fmad=false', f'-I{ROOT}', '-arch=sm_90', '-cubin',
                        os.path.join(ROOT, 'native/cuda/kernels', unit), '-o', cubin], check=True)
        script = ("const { fastPaths } = require('./scripts/fast-loops.cjs');"
                  'console.log(JSON.stringify(fastPaths(process.argv[1], Number(process.argv[2]))))')
        length = '4' if 'f32' in unit else '8'
        paths = subprocess.run(['node', '-e', script, cubin, length], cwd=ROOT, capture_output=True, text=True, check=True)
        return read_instructions(CUOBJDUMP, cubin), json.loads(paths.stdout)


def program(sweep, gradient, instructions, tiles, cluster):
    loads = [a for a in sweep if instructions[a][0].split()[0].startswith(('LDG', '@')) and 'LDG' in instructions[a][0]]
    steps = [('delay', PROLOGUE)] + loads
    for tile in range(tiles):
        steps += sweep if tile + 1 < tiles else [a for a in sweep if a not in loads]
        if tile == 0:
            steps += [('barrier',), ('delay', BOUND), ('barrier',)]
    steps += [('barrier',), ('delay', REDUCE)]
    steps += [('cluster',), ('delay', CLUSTER_COLLECTION)] if cluster > 1 else [('barrier',)]
    steps += [('delay', THRESHOLD), ('delay', OUTCOME), ('barrier',)]
    if gradient:
        steps += gradient * tiles + ([('cluster',)] if cluster > 1 else [])
    return steps


def predict(kernels, paths, tiles_kind, vocabulary, size, threads, slices, state_bytes, with_gradient, card):
    name = next(each for each in paths if tiles_kind in each)
    instructions = kernels[name]
    sweep, gradient = paths[name]
    vectors = -(-vocabulary * size // 16)
    cluster = slices if with_gradient else 1
    tile = threads * TILE_VECTORS
    block_vectors = -(-vectors // cluster)
    shared = state_bytes + (block_vectors * 16 if with_gradient else tile * 16 if tiles_kind == 'Narrow' else 0)
    blocks = min(3 * 256 // threads, SHARED // (shared + RESERVED))
    warps = threads // 32
    # Whole tiles: what a warp of the last one has less is rounded to whole tiles of that warp.
    programs = []
    for warp in range(warps):
        whole, rest = divmod(block_vectors, tile)
        mine = whole + (1 if rest > warp * TILE_VECTORS * 32 else 0)
        programs.append(program(sweep, gradient if with_gradient else None, instructions, max(mine, 1), cluster))
    bandwidth, clock = CARDS[card]
    per_cycle = bandwidth * 1e12 / MULTIPROCESSORS / (clock * 1e9)
    ends, _ = Multiprocessor(instructions, per_cycle).run([programs] * blocks, rows=6)
    cycles = cycles_per_row(ends)
    moved = block_vectors * 16 * (2 if with_gradient else 1)
    return 100 * moved / cycles / per_cycle, blocks


def main():
    missing = [tool for tool in ('nvcc', 'node', CUOBJDUMP) if shutil.which(tool) is None]
    if missing:
        return f'{", ".join(missing)}: not found; the environment variable CUOBJDUMP names the disassembler'
    with open(os.path.join(ROOT, 'native/cuda/resource-budget.json'), encoding='utf8') as file:
        state_bytes = json.load(file)['layout']['stateBytes']
    cases = [('128256 bf16', 'row_kernels_bf16.cu', 'Wide', 128256, 2, 256, 4),
             ('32000 bf16', 'row_kernels_bf16.cu', 'Wide', 32000, 2, 256, 1),
             ('4619 f32, not aligned', 'row_kernels_f32.cu', 'Narrow', 4619, 4, 64, 1),
             ('128256 f32', 'row_kernels_f32.cu', 'Wide', 128256, 4, 256, 8)]
    compiled = {}
    print('| rows of | card | forward, % of a read | forward and gradient, % of a copy | blocks |')
    print('| --- | --- | --- | --- | --- |')
    for label, unit, kind, *shape in cases:
        if unit not in compiled:
            compiled[unit] = compile_loops(unit)
        for card in CARDS:
            (forward, a), (both, b) = (predict(*compiled[unit], kind, *shape, state_bytes, gradient, card)
                                       for gradient in (False, True))
            print(f'| {label} | {card} | {forward:.0f} | {both:.0f} | {a}, {b} |', flush=True)


if __name__ == '__main__':
    sys.exit(main())
