import { type Mutant, mutantsOf, mutatedSource, nameOf } from './mutants';

const kernel = `
template <class T>
FBL_DEVICE void halve(T* values, int count) {
  __shared__ float staged[kThreads];
  for (int i = threadIdx.x; i < count; i += kThreads) {
    staged[i] = values[i]; // i < count
  }
  __syncthreads();
  const int left = min(count - 1, threadIdx.x);
  if (left > 0 && staged[left] > largest) values[left] = __shfl_sync(kAllLanes, staged[left], 0);
  __syncthreads();
  if (left >= count) return;
  if (cluster_size > 1) FBL_CLUSTER_LEAVE();
  FBL_CLUSTER_WAIT(); // for those that read
}
`;

const mutants = mutantsOf('halve.h', kernel);
const of = (line: number) => mutants.filter((mutant) => mutant.line === line).map(({ after }) => after);

describe('the mutants of a kernel', () => {
  it('lack each barrier in turn', () => {
    expect(of(8)).toEqual([';']);
    expect(of(11)).toEqual([';']);
  });

  it('lack either half of a barrier of clusters', () => {
    expect(of(13)).toContain('if (cluster_size > 1) ;');
    expect(of(14)).toEqual(['; // for those that read']);
  });

  it('have half of the mask of a collective', () => {
    const [, ...condition] = of(10);
    expect([of(10)[0], ...condition].filter((after) => after?.includes('kAllLanes >> 16'))).toHaveLength(1);
  });

  it('have each bound moved by one, but for comments', () => {
    expect(of(5)).toEqual(['for (int i = threadIdx.x; i <= count; i += kThreads) {']);
    expect(of(6)).toEqual([]);
  });

  it('have a condition that is always true', () => {
    expect(of(12)).toEqual(['if (left > count) return;', 'if (true) return;']);
  });

  it('have either side of a clamp alone', () => {
    expect(of(9)).toEqual(['const int left = (count - 1);', 'const int left = (threadIdx.x);']);
  });

  it('compare logits as the kernel does', () => {
    expect(of(10).filter((after) => !after.includes('staged[left] > largest'))).toEqual([]);
  });

  it('differ from the source in their line alone', () => {
    const before = kernel.split('\n');
    for (const mutant of mutants) {
      const after = mutatedSource(kernel, mutant).split('\n');
      expect(after.filter((line, index) => line !== before[index])).toEqual([mutant.after]);
      expect(after).toHaveLength(before.length);
    }
  });

  it('have names of their own, equal lines as well', () => {
    expect(new Set(mutants.map(nameOf)).size).toBe(mutants.length);
  });

  it('keep their names where other lines move them', () => {
    const moved: Mutant[] = mutantsOf('halve.h', `// A line more.\n${kernel}`);
    expect(moved.map(nameOf)).toEqual(mutants.map(nameOf));
  });
});

const hostCode = `
void give_back(Block block) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (block.uses.empty() && keeps_ == true) return;
  stream_->wait_for(*block.last_use);
  for (const auto& each : uses_) each->synchronize();
  ++counts_.cached_blocks; // one more
  counts_.cached_bytes += size;
  return is_over(block) ? true : false;
#if defined(FBL_SIMT_EMULATION)
  if (block.pointer == nullptr) return;
#else
  if (block.pointer != nullptr) return;
#endif
}
`;

describe('the mutants of host code', () => {
  const all = mutantsOf('block_cache.cc', hostCode);
  const afters = (line: number) => all.filter((mutant) => mutant.line === line).map(({ after }) => after);

  it('have each condition decided beforehand, and each comparison reversed', () => {
    expect(afters(4)).toEqual([
      'if (true) return;',
      'if (false) return;',
      'if (block.uses.empty() && keeps_ != true) return;',
      'if (block.uses.empty() || keeps_ == true) return;',
    ]);
  });

  it('leave what the emulator alone compiles as it is', () => {
    expect(afters(11)).toEqual([]);
    expect(afters(13)).toHaveLength(3);
  });

  it('lack each wait and each count', () => {
    expect(afters(5)).toEqual([';']);
    expect(afters(6)).toEqual(['for (const auto& each : uses_) {}']);
    expect(afters(8)).toEqual([';']);
  });
});
