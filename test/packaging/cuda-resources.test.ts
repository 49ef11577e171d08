import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface KernelResources {
  kernel: string;
  architecture: string;
  registers: number;
  staticSharedBytes: number;
  stackBytes: number;
  spillBytes: number;
}

interface FastLoop {
  kernel: string;
  loop: 'sweep' | 'gradient';
  /** Warp instructions for a 16-byte vector, where nothing rare happens. */
  instructions: number;
  wideLoads: number;
  wideStores: number;
  doubles: number;
  branches: number;
}

interface Budget {
  layout: { threads: number; stateBytes: number };
  kernels: { kernel: string; architecture: string; registers: number }[];
  loops: FastLoop[];
}

const {
  budgetFile,
  compileToPtx,
  hasNvcc,
  measureLoops,
  measureResources,
  readLayout,
  tableFile,
  whyNotCounted,
  withTable,
}: {
  budgetFile: string;
  compileToPtx: (source: string) => string;
  hasNvcc: () => boolean;
  measureLoops: () => Promise<FastLoop[]>;
  measureResources: () => Promise<KernelResources[]>;
  readLayout: () => Budget['layout'];
  tableFile: string;
  whyNotCounted: () => string | undefined;
  withTable: (document: string, budget: Budget) => string;
} = require('../../scripts/cuda-resources.cjs');

const MINUTES = 60_000;
const root = join(__dirname, '..', '..');
const budget: Budget = JSON.parse(readFileSync(budgetFile, 'utf8'));
const sources: { cuda: { architectures: string[]; kernels: string[] } } = JSON.parse(
  readFileSync(join(root, 'native', 'sources.json'), 'utf8'),
);

describe('the budget of the kernels', () => {
  it('has every kernel on every architecture', () => {
    const kernels = ['begin_kernel', 'end_kernel'].concat(
      ['row_kernel', 'gradient_kernel'].flatMap((name) =>
        ['float32', 'float16', 'bfloat16'].map((dtype) => `${name}<${dtype}>`),
      ),
      ['float32', 'float16', 'bfloat16'].flatMap((dtype) =>
        ['wide', 'wide, forward', 'narrow'].map((kind) => `plain_kernel<${dtype}, ${kind}>`),
      ),
    );
    const expected = kernels.flatMap((kernel) => sources.cuda.architectures.map((each) => `${kernel} ${each}`));
    const listed = budget.kernels.map(({ kernel, architecture }) => `${kernel} ${architecture}`);
    expect([...listed].sort()).toEqual([...expected].sort());
  });

  it('holds the fast loops to what a copy leaves time for, without double precision', () => {
    expect(budget.loops).toHaveLength(15);
    for (const { kernel, instructions, wideLoads, wideStores, loop, doubles } of budget.loops) {
      expect({ kernel, doubles }).toEqual({ kernel, doubles: 0 });
      if (!kernel.includes('wide')) continue;
      expect(instructions).toBeLessThanOrEqual(kernel.includes('float32') ? 40 : 60);
      expect({ wideLoads, wideStores }).toEqual(
        loop === 'sweep' ? { wideLoads: 4, wideStores: 0 } : { wideLoads: 0, wideStores: 4 },
      );
    }
  });

  it('is what the table in the documentation shows', () => {
    expect(existsSync(tableFile)).toBe(true);
    const document = readFileSync(tableFile, 'utf8');
    expect(withTable(document, budget)).toBe(document);
  });
});

// Visible where there is no compiler, as a skipped test is.
const describeNvcc = hasNvcc() ? describe : describe.skip;

describeNvcc('what nvcc makes of the kernels', () => {
  let measured: KernelResources[];

  beforeAll(async () => {
    measured = await measureResources();
  }, 10 * MINUTES);

  it('is every kernel of the budget', () => {
    const name = (each: { kernel: string; architecture: string }) => `${each.kernel} ${each.architecture}`;
    expect(measured.map(name).sort()).toEqual(budget.kernels.map(name).sort());
  });

  it('spills no register and has no stack', () => {
    expect(measured.filter(({ spillBytes, stackBytes }) => spillBytes !== 0 || stackBytes !== 0)).toEqual([]);
  });

  it('has no static shared memory: what a block needs is in its one layout', () => {
    expect(measured.filter(({ staticSharedBytes }) => staticSharedBytes !== 0)).toEqual([]);
    expect(readLayout()).toEqual(budget.layout);
  });

  it('takes no more registers than the budget', () => {
    const allowed = new Map(budget.kernels.map((each) => [`${each.kernel} ${each.architecture}`, each.registers]));
    const above = measured.filter(
      (each) => each.registers > (allowed.get(`${each.kernel} ${each.architecture}`) as number),
    );
    expect(above).toEqual([]);
  });
});

// Visible where nothing can be counted, too.
const describeLoops = hasNvcc() && whyNotCounted() === undefined ? describe : describe.skip;

describeLoops('the machine code of the fast loops', () => {
  it(
    'takes no more instructions, double precision or branches than the budget, and loads as wide',
    async () => {
      const counted = await measureLoops();
      const above = counted.filter((each) => {
        const allowed = budget.loops.find(({ kernel, loop }) => kernel === each.kernel && loop === each.loop);
        if (allowed === undefined) return true;
        const { instructions, doubles, branches, wideLoads, wideStores } = each;
        return (
          instructions > allowed.instructions ||
          doubles > allowed.doubles ||
          branches > allowed.branches ||
          wideLoads < allowed.wideLoads ||
          wideStores < allowed.wideStores
        );
      });
      expect(counted).toHaveLength(budget.loops.length);
      expect(above).toEqual([]);
    },
    10 * MINUTES,
  );
});

describeNvcc('the intermediate code of the kernels that read logits', () => {
  const files = sources.cuda.kernels.filter((source) => source.includes('row_kernels_'));

  it.each(files)(
    '%s moves logits and gradients 16 bytes at a time, and nothing through local memory',
    (source) => {
      const entries = compileToPtx(source).split('.entry').slice(1);
      const bodyOf = (name: string) => entries.find((entry) => entry.slice(0, 200).includes(name)) as string;
      const count = (text: string, word: string) => text.split(word).length - 1;
      const sweep = bodyOf('row_kernel');
      const gradient = bodyOf('gradient_kernel');
      // Four in the sweep's tile, four in the tile that is read again.
      expect(count(sweep, 'ld.global.cg.v4.u32')).toBeGreaterThanOrEqual(8);
      expect(count(gradient, 'ld.global.cg.v4.u32')).toBeGreaterThanOrEqual(4);
      for (const body of [sweep, gradient]) {
        // The gradient's vectors, and the zeros of a filled row.
        expect(count(body, 'st.global.cs.v4.u32')).toBeGreaterThanOrEqual(2);
        expect(count(body, 'ld.local')).toBe(0);
        expect(count(body, 'st.local')).toBe(0);
      }
    },
    MINUTES,
  );
});
