"""A multiprocessor, in order: four schedulers, the warps of its blocks, barriers and a bandwidth server.

Uncalibrated: no GPU has confirmed it. Instruction cache and taken branches are left out. Stall counts and scoreboards are
those in the instruction words.
"""

import bisect
import heapq
import re
import subprocess

# Cycles, assumed.
DRAM = 600
BARRIER = 30
CLUSTER_BARRIER = 250
LATENCY = {'MUFU': 22, 'LDS': 29, 'ATOMS': 40, 'SHFL': 24, 'F2F': 22, 'I2F': 22, 'F2I': 22, 'LDC': 40, 'S2R': 25,
           'S2UR': 25, 'VOTEU': 12, 'POPC': 18, 'FLO': 18, 'B2R': 25, 'STS': 25, 'STG': 25}
OTHERS = 8
STORES_IN_FLIGHT = 16384  # bytes


def opcode(text):
    return re.sub(r'^@!?U?P\d+\s+', '', text).split()[0]


def moved_bytes(text):
    """By a warp, from or to global memory."""
    name = opcode(text)
    if not name.startswith(('LDG', 'STG')):
        return 0
    return 32 * (16 if '.128' in name else 2 if '.U16' in name else 4)


def read_instructions(cuobjdump, cubin):
    """{kernel: {address: (text, control)}}"""
    text = subprocess.run([cuobjdump, '-sass', cubin], capture_output=True, text=True, check=True).stdout
    kernels, found, last = {}, {}, None
    for line in text.splitlines():
        name = re.match(r'\s*Function : (\S+)', line)
        if name:
            found = kernels.setdefault(name.group(1), {})
            continue
        first = re.match(r'\s*/\*([0-9a-f]{4,5})\*/\s+(.*?)\s*;\s*/\* 0x[0-9a-f]{16} \*/', line)
        if first:
            last = int(first.group(1), 16)
            found[last] = (first.group(2), None)
            continue
        second = re.match(r'\s*/\* 0x([0-9a-f]{16}) \*/', line)
        if second and last in found and found[last][1] is None:
            high = int(second.group(1), 16)
            control = {'stall': high >> 41 & 15, 'write': high >> 46 & 7, 'read': high >> 49 & 7, 'wait': high >> 52 & 63}
            found[last] = (found[last][0], control)
    return kernels


class Multiprocessor:
    def __init__(self, instructions, bytes_per_cycle):
        self.instructions = instructions
        self.bytes_per_cycle = bytes_per_cycle

    def run(self, blocks, rows, launch=600):
        """blocks: for each block, for each warp, a list of addresses, ('barrier',), ('cluster',) and ('delay', cycles). Returns
        when each block ended each of its rows, and the instructions issued."""
        warps = [{'block': b, 'program': program, 'at': 0, 'scoreboard': [0] * 6, 'row': 0}
                 for b, block in enumerate(blocks) for program in block]
        queue = [(launch + 3000 * warp['block'], index) for index, warp in enumerate(warps)]  # staggered
        heapq.heapify(queue)
        scheduler, special = [0] * 4, [0] * 4
        memory, issued = 0.0, 0
        waiting = {b: [] for b in range(len(blocks))}
        ends = [[] for _ in blocks]

        def arrive(time, index, warp):
            """True where all warps of the block are here."""
            waiting[warp['block']].append((time, index))
            return len(waiting[warp['block']]) == len(blocks[warp['block']])

        while queue:
            time, index = heapq.heappop(queue)
            warp = warps[index]
            if warp['at'] == len(warp['program']):
                if not arrive(time, index, warp):
                    continue
                here, waiting[warp['block']] = waiting[warp['block']], []
                end = max(each[0] for each in here)
                ends[warp['block']].append(end)
                for _, other in here:
                    warps[other].update(at=0, scoreboard=[0] * 6, row=warps[other]['row'] + 1)
                    if warps[other]['row'] < rows:
                        heapq.heappush(queue, (end + launch, other))
                continue
            step = warp['program'][warp['at']]
            if isinstance(step, tuple):
                if step[0] == 'delay':
                    warp['at'] += 1
                    heapq.heappush(queue, (time + step[1], index))
                elif arrive(time, index, warp):
                    here, waiting[warp['block']] = waiting[warp['block']], []
                    end = max(each[0] for each in here) + (BARRIER if step[0] == 'barrier' else CLUSTER_BARRIER)
                    for _, other in here:
                        warps[other]['at'] += 1
                        heapq.heappush(queue, (end, other))
                continue
            text, control = self.instructions[step]
            ready = max([time] + [warp['scoreboard'][k] for k in range(6) if control['wait'] >> k & 1])
            lane = index % 4
            name = opcode(text).split('.')[0]
            ready = max(ready, scheduler[lane], special[lane] if name == 'MUFU' else 0)
            if ready > time:
                heapq.heappush(queue, (ready, index))
                continue
            scheduler[lane] = time + 1
            issued += 1
            latency = LATENCY.get(name, OTHERS)
            size = moved_bytes(text)
            resume = time + max(1, control['stall'])
            if size:
                memory = max(memory, time) + size / self.bytes_per_cycle
                if name == 'LDG':
                    latency = memory - time + DRAM
                else:
                    resume = max(resume, int(memory - STORES_IN_FLIGHT / self.bytes_per_cycle) + 1)
            if name == 'MUFU':
                special[lane] = time + 8
            if control['write'] != 7:
                warp['scoreboard'][control['write']] = time + latency
            if control['read'] != 7:
                warp['scoreboard'][control['read']] = max(warp['scoreboard'][control['read']], time + 15)
            warp['at'] += 1
            heapq.heappush(queue, (resume, index))
        return ends, issued


def cycles_per_row(ends):
    """Of a multiprocessor in the time when all its blocks are at work."""
    begin, end = max(each[1] for each in ends), min(each[-1] for each in ends)

    def rows_until(block, time):
        at = bisect.bisect_right(block, time)
        if at == len(block):
            return at
        before = block[at - 1] if at else 0
        return at + (time - before) / (block[at] - before)

    rows = sum(rows_until(block, end) - rows_until(block, begin) for block in ends)
    return (end - begin) / rows
