// Files of a run with a right digest and a wrong content: each is refused by the name of the file and of the field.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor } from '../../src/model/tensor';
import { openTrainedRun } from '../../src/training/recommend';
import { run } from '../../src/training/run';
import { readRunFolder } from '../../src/training/run-folder';
import { readSafetensors, writeSafetensors } from '../../src/training/safetensors';
import { seal, unseal } from '../../src/training/sealed-text';
import type { Workbench } from '../../src/training/workbench';
import { openWorkbench } from '../../src/training/workbench';
import { TINY_DATASET, TINY_RUN, withFolder } from '../support/recommender';

jest.setTimeout(60_000);

const OPTIONS = { ...TINY_RUN, epochs: 1, itemTokens: 'codes', lambdas: [2, 1], penaltyEnd: 3 } as const;

let workbench: Workbench;

beforeAll(async () => {
  workbench = await openWorkbench(TINY_DATASET, OPTIONS);
});

type Json = null | number | string | boolean | Json[] | { [name: string]: Json };
type Path = (string | number)[];

/** Every place in a JSON value, but of long lists the first two entries and the last. */
function placesIn(value: Json, path: Path = []): Path[] {
  const entries = Array.isArray(value)
    ? [0, 1, value.length - 1].filter((index, at, all) => index < value.length && all.indexOf(index) === at)
    : Object.keys(typeof value === 'object' && value !== null ? value : {});
  const below = entries.flatMap((key) =>
    placesIn((value as Record<string | number, Json>)[key] as Json, [...path, key]),
  );
  return [...(path.length > 0 ? [path] : []), ...below];
}

function changed(value: Json, path: Path, to: Json | undefined): Json {
  const copy = structuredClone(value);
  const parent = path.slice(0, -1).reduce<Json>((at, key) => (at as Record<string, Json>)[key] as Json, copy);
  const last = path.at(-1) as string;
  if (to === undefined) delete (parent as Record<string, Json>)[last];
  else (parent as Record<string, Json>)[last] = to;
  return copy;
}

function inWords(path: Path): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`))
    .join('')
    .replace(/^\./, '');
}

function expectNamed(folder: string, file: string, field: string): void {
  let message = 'no error';
  try {
    readRunFolder(folder);
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message.startsWith(`${file}: `) && message.includes(field) ? '' : `${field}: ${message}`).toBe('');
}

/** Each place as null, as an object of nothing, and, of an object, taken away; and a field that there is not. */
function* damages(content: Json): Generator<[path: Path, damaged: Json]> {
  for (const path of placesIn(content)) {
    for (const wrong of [null, { '': 0 }]) yield [path, changed(content, path, wrong)];
    const optional = ['codes', 'lambdas', 'penaltyEnd', 'steps', 'random', 'exactMilliseconds'].includes(
      path.at(-1) as string,
    );
    if (typeof path.at(-1) === 'string' && !optional) yield [path, changed(content, path, undefined)];
  }
  yield [['stranger'], changed(content, ['stranger'], 1)];
}

it.each(['data.json', 'result.json'])('every field of %s is looked at', (name) =>
  withFolder(async (folder) => {
    await run(workbench, OPTIONS, folder);
    const file = join(folder, name);
    const content = JSON.parse(unseal(readFileSync(file)));
    let count = 0;
    for (const [path, damaged] of damages(content)) {
      writeFileSync(file, seal(JSON.stringify(damaged)));
      expectNamed(folder, file, inWords(path));
      count++;
    }
    expect(count).toBeGreaterThan(100);
  }),
);

it('every field of metrics.jsonl is looked at', () =>
  withFolder(async (folder) => {
    await run(workbench, OPTIONS, folder);
    const file = join(folder, 'metrics.jsonl');
    const lines = unseal(readFileSync(file))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    for (const [index, line] of lines.entries()) {
      for (const [path, damaged] of damages(line)) {
        const texts = lines.map((other, at) => JSON.stringify(at === index ? damaged : other));
        writeFileSync(file, seal(`${texts.join('\n')}\n`));
        expectNamed(folder, file, inWords(path));
      }
    }
  }));

describe.each(['checkpoint.safetensors', 'best.safetensors'])('of %s', (name) => {
  it('every field of the state is looked at', () =>
    withFolder(async (folder) => {
      await run(workbench, OPTIONS, folder);
      const file = join(folder, name);
      const { tensors, state } = readSafetensors(file);
      for (const [path, damaged] of damages(JSON.parse(state))) {
        writeSafetensors(file, tensors, JSON.stringify(damaged));
        expectNamed(folder, file, inWords(path));
      }
      for (const text of ['null', '7', '[]', '{}', 'no JSON', '']) {
        writeSafetensors(file, tensors, text);
        expectNamed(folder, file, 'not the checkpoint of a run');
      }
    }));

  it('every tensor is looked at', () =>
    withFolder(async (folder) => {
      await run(workbench, OPTIONS, folder);
      const file = join(folder, name);
      const { tensors, state } = readSafetensors(file);
      const read = name.startsWith('best') ? openTrainedRun : () => run(workbench, OPTIONS, folder, { resume: true });
      const refused = async (change: Record<string, Tensor>, message: string) => {
        writeSafetensors(file, change, state);
        const outcome = await read(folder).then(
          () => 'no error',
          (error: Error) => error.message,
        );
        expect(outcome.startsWith(`${file}: `) ? outcome : `not named: ${outcome}`).toContain(message);
      };
      for (const [tensor, { data, shape }] of Object.entries(tensors)) {
        const { [tensor]: _, ...without } = tensors;
        await refused(without, `${tensor} has no numbers`);
        const longer = { data: new Float32Array(data.length + shape.slice(1).reduce((a, b) => a * b, 1)), shape };
        await refused(
          { ...tensors, [tensor]: { ...longer, shape: [(shape[0] as number) + 1, ...shape.slice(1)] } },
          `${tensor} has the shape`,
        );
        await refused({ ...tensors, [tensor]: { data, shape: [...shape, 1] } }, `${tensor} has the shape`);
        await refused({ ...tensors, [tensor]: longer }, `${tensor}: bytes`);
        for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
          await refused(
            { ...tensors, [tensor]: { data: Float32Array.from(data).fill(value, 0, 1), shape } },
            `${tensor}: number 0 is`,
          );
        }
      }
      const extra = { data: Float32Array.of(1), shape: [1] };
      await refused({ ...tensors, 'parameter/other': extra }, 'parameter/other is not of this model');
    }));
});

it.each(['checkpoint.safetensors', 'best.safetensors'])(
  'a run of the model before this one is refused by its %s',
  (name) =>
    withFolder(async (folder) => {
      const file = join(folder, name);
      writeSafetensors(file, { 'parameter/attentionItem': { data: Float32Array.of(1), shape: [1] } }, '{}');
      writeFileSync(join(folder, 'result.json'), seal('{"options":{"dimension":64}}'));
      const message = `${file}: it is of an earlier model, which this version does not have; train again in another folder`;
      await expect(openTrainedRun(folder)).rejects.toThrow(message);
      await expect(run(workbench, OPTIONS, folder, { resume: true })).rejects.toThrow(message);
    }),
);

it('a model that is too large for the memory is refused before it is made', () =>
  withFolder(async (folder) => {
    await run(workbench, OPTIONS, folder);
    const options = { ...OPTIONS, dimension: 1_000_000_000 };
    const file = join(folder, 'best.safetensors');
    for (const name of ['best.safetensors', 'checkpoint.safetensors']) {
      const { tensors, state } = readSafetensors(join(folder, name));
      const content = JSON.parse(state);
      writeSafetensors(
        join(folder, name),
        tensors,
        JSON.stringify({ ...content, state: { ...content.state, options } }),
      );
    }
    for (const name of ['data.json', 'result.json', 'metrics.jsonl']) {
      const [line, ...rest] = unseal(readFileSync(join(folder, name))).split('\n');
      const content = { ...JSON.parse(line as string), options };
      writeFileSync(join(folder, name), seal([JSON.stringify(content), ...rest].join('\n')));
    }
    await expect(openTrainedRun(folder)).rejects.toThrow(
      new RegExp(
        `^${file}: these options need about \\S+ GiB of memory, at most 4\\.0 are allowed: .* --dimension 1000000000`,
      ),
    );
  }));
