import type { TextTable } from '../comparison/table.js';

/** For the terminal. */
export async function drawn({ head, rows }: TextTable): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const colAligns = head.map((_, column) => (column === 0 ? ('left' as const) : ('right' as const)));
  const table = new Table({ head, colAligns, style: { head: [], border: [] } });
  table.push(...rows);
  return table.toString();
}
