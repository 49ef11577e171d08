import type { Command } from 'commander';
import { path } from './option-values.js';
import { RECOMMENDER_PACKAGES, requirePackages } from './optional-packages.js';
import { print } from './terminal.js';

interface CodesFlags {
  run: string;
  out: string;
}

export function addCodesCommand(program: Command): void {
  program
    .command('codes')
    .description("writes the codes of a run's items, in the index.json form of MiniOneRec and APAO")
    .requiredOption('--run <run>', 'folder of a run with --item-tokens codes, as train wrote it', path)
    .requiredOption('--out <file>', 'file to write, such as NAME.index.json', path)
    .action(exportCodes);
}

async function exportCodes({ run, out }: CodesFlags): Promise<void> {
  requirePackages('codes', RECOMMENDER_PACKAGES);
  const { codesOfRun, writeCodeIndex } = await import('../index.js');
  const codes = codesOfRun(run);
  writeCodeIndex(out, codes);
  print(`Codes of ${codes.size} items: ${out}`);
}
