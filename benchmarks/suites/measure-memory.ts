// The fresh process of measurePeakMemory: opens one contender of one case, runs it once and prints the bytes.
import { peakOf } from './memory';
import type { SuiteOptions } from './suite';
import { suiteNamed } from './suites';

interface Request {
  suite: string;
  options: SuiteOptions;
  caseName: string;
  contender: string;
}

async function main(): Promise<void> {
  const request = JSON.parse(process.argv[2] as string) as Request;
  const cases = await suiteNamed(request.suite).listCases(request.options);
  const contender = cases
    .find(({ name }) => name === request.caseName)
    ?.contenders()
    .find(({ name }) => name === request.contender);
  if (contender === undefined) throw new Error(`no contender ${request.contender} of ${request.caseName}`);
  const opened = await contender.open();
  const bytes = await peakOf(opened);
  await opened.close?.();
  console.log(JSON.stringify({ bytes }));
}

main();
