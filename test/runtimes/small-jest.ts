// describe, it and expect for runtimes that jest does not run on: tests in the order in which they are written, one after
// the other. `expect` and `each` are jest's own.
import { expect } from 'expect';
import { bind } from 'jest-each';

/** Starts the line that run-bundle.ts ends with, which goes on with {@link Counts} as JSON. */
export const TOTALS = 'totals ';

type Body = () => unknown;

interface Hooks {
  beforeAll: Body[];
  beforeEach: Body[];
  afterEach: Body[];
  afterAll: Body[];
}

interface Suite extends Hooks {
  name: string;
  parent: Suite | undefined;
  skipped: boolean;
  children: (Suite | Test)[];
}

interface Test {
  name: string;
  skipped: boolean;
  body: Body;
}

export interface Counts {
  passed: number;
  /** Names, which say why. */
  skipped: string[];
  /** Name and message of each. */
  failures: { name: string; message: string }[];
}

function newSuite(name: string, parent: Suite | undefined, skipped: boolean): Suite {
  return { name, parent, skipped, children: [], beforeAll: [], beforeEach: [], afterEach: [], afterAll: [] };
}

let current = newSuite('', undefined, false);

function addSuite(skipped: boolean) {
  return (name: string, body: Body) => {
    const suite = newSuite(name, current, skipped || current.skipped);
    current.children.push(suite);
    current = suite;
    body();
    current = suite.parent as Suite;
  };
}

function addTest(skipped: boolean) {
  return (name: string, body: Body) => {
    current.children.push({ name, skipped: skipped || current.skipped, body });
  };
}

function withEach<Add extends (name: string, body: Body) => void>(add: Add) {
  return Object.assign(add, { each: bind(add as never) });
}

function hook(name: keyof Hooks) {
  return (body: Body) => void current[name].push(body);
}

/** Makes the globals that test files use. */
export function defineGlobals(): void {
  const it = Object.assign(withEach(addTest(false)), { skip: withEach(addTest(true)) });
  const describe = Object.assign(withEach(addSuite(false)), { skip: withEach(addSuite(true)) });
  const hooks = { beforeAll: hook('beforeAll'), beforeEach: hook('beforeEach') };
  const after = { afterAll: hook('afterAll'), afterEach: hook('afterEach') };
  Object.assign(globalThis, { expect, it, test: it, describe, ...hooks, ...after });
}

/** Runs what a file describes while `load` loads it. */
export async function runFile(load: () => void): Promise<Counts> {
  current = newSuite('', undefined, false);
  const file = current;
  const counts: Counts = { passed: 0, skipped: [], failures: [] };
  try {
    load();
  } catch (error) {
    counts.failures.push({ name: 'loading the file', message: (error as Error)?.stack ?? String(error) });
    return counts;
  }
  await runSuite(file, [], counts);
  return counts;
}

async function runSuite(suite: Suite, outer: Suite[], counts: Counts): Promise<void> {
  const path = [...outer, suite];
  const fullName = (name: string) => [...path.map((each) => each.name), name].filter((each) => each !== '').join(' › ');
  const attempt = async (name: string, body: Body): Promise<boolean> => {
    try {
      await body();
      return true;
    } catch (error) {
      counts.failures.push({ name: fullName(name), message: (error as Error)?.stack ?? String(error) });
      return false;
    }
  };
  const inOrder = async (bodies: Body[]) => {
    for (const body of bodies) await body();
  };
  // Of the tests below, none of which then means anything.
  if (!suite.skipped && !(await attempt('beforeAll', () => inOrder(suite.beforeAll)))) return;
  for (const child of suite.children) {
    if ('children' in child) {
      await runSuite(child, path, counts);
    } else if (child.skipped) {
      counts.skipped.push(fullName(child.name));
    } else {
      const passed = await attempt(child.name, async () => {
        await inOrder(path.flatMap((each) => each.beforeEach));
        try {
          await child.body();
        } finally {
          await inOrder(path.toReversed().flatMap((each) => each.afterEach));
        }
      });
      if (passed) counts.passed += 1;
    }
  }
  if (!suite.skipped) await attempt('afterAll', () => inOrder(suite.afterAll));
}
