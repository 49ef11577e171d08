// The part of the check that needs the addon: node-checks.ts CALLS. Prints records; ends with 0 where all is right, 1 where
// a call failed or differs, 2 where there is no device.
import { capabilities, fusedBearLoss, fusedBearLossAsync } from 'fused-bear-loss';
import { CudaStream, DeviceTensor, fusedBearLoss as deviceLoss } from 'fused-bear-loss/cuda';
import { fillNormal, seed, uniformGenerator } from '../random-logits';
import type { CheckKitRecord, CheckRecord } from './records';

const report = (record: CheckKitRecord) => console.log(JSON.stringify(record));

function normals(length: number): Float32Array {
  const values = new Float32Array(length);
  fillNormal(values, 3, uniformGenerator(seed));
  return values;
}

/** Calls of two shapes that need different amounts of shared memory, in flight at the same time. */
async function twoShapesAtOnce(calls: number): Promise<CheckRecord> {
  const problems = [
    { rows: 12, vocabSize: 16000 },
    { rows: 40, vocabSize: 300 },
  ].map(({ rows, vocabSize }) => ({
    logits: { data: normals(rows * vocabSize), shape: [rows, vocabSize] },
    targets: new Int32Array(rows),
  }));
  const run = async ({ logits, targets }: (typeof problems)[number]) =>
    (await fusedBearLossAsync(logits, targets, { device: 'cuda' })).loss as number;
  const expected = problems.map(
    ({ logits, targets }) => fusedBearLoss(logits, targets, { device: 'cpu' }).loss as number,
  );
  const result: CheckRecord = {
    kind: 'check',
    name: 'two shapes at once',
    agreed: 0,
    wrong: 0,
    skipped: 0,
    first: '',
  };
  for (let done = 0; done < calls; done += 4) {
    const settled = await Promise.allSettled([...problems, ...problems].map(run));
    for (const [index, each] of settled.entries()) {
      const wanted = expected[index % 2] as number;
      if (each.status === 'fulfilled' && Math.abs(each.value - wanted) <= 1e-5 * wanted) {
        ++result.agreed;
      } else if (++result.wrong === 1) {
        result.first = each.status === 'rejected' ? String(each.reason) : `a loss of ${each.value}, not ${wanted}`;
      }
    }
  }
  return result;
}

/** What a call costs the host, where the device keeps up: enqueued, and waited for outside of the clock. */
async function hostCost(calls: number): Promise<void> {
  const [rows, vocabSize] = [64, 4096];
  using stream = CudaStream.create();
  using logits = DeviceTensor.fromHost(normals(rows * vocabSize), [rows, vocabSize]);
  using gradLogits = DeviceTensor.allocate([rows, vocabSize], 'float32');
  using targets = DeviceTensor.fromHost(new Int32Array(rows));
  const call = () => deviceLoss(logits, targets, { out: { gradLogits }, stream });
  // The driver's queue holds some thousand launches; a call that finds it full waits.
  const batch = Math.min(calls, 100);
  const samples: number[] = [];
  for (let done = 0; done <= calls; done += batch) {
    const started = performance.now();
    for (let i = 0; i < batch; ++i) call().dispose();
    const microseconds = ((performance.now() - started) * 1000) / batch;
    stream.synchronize();
    if (done > 0) samples.push(microseconds);
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] as number;
  const round: number[] = [];
  for (let i = 0; i < batch; ++i) {
    const started = performance.now();
    using result = call();
    await result.read();
    round.push((performance.now() - started) * 1000);
  }
  report({ kind: 'node', name: 'host time of a call, 64 x 4096', value: median(samples), unit: 'us' });
  report({ kind: 'node', name: 'call and read(), 64 x 4096', value: median(round), unit: 'us' });
}

async function main(calls: number): Promise<number> {
  const { cuda } = capabilities();
  if (!cuda.available) {
    report({ kind: 'error', message: `no CUDA device can be used: ${cuda.reason}` });
    return 2;
  }
  for (const { index, name } of cuda.devices) {
    report({ kind: 'node', name: `capabilities(): ${name}`, value: index, unit: '' });
  }
  const race = await twoShapesAtOnce(calls);
  report(race);
  await hostCost(calls);
  return race.wrong > 0 ? 1 : 0;
}

main(Number(process.argv[2] ?? 1000)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    report({ kind: 'error', message: String(error) });
    process.exitCode = 3;
  },
);
