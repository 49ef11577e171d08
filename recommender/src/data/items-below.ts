/** For each edge out of a branching node the indices of the items below it, ascending. */
export interface ItemsBelow {
  offsets: Int32Array;
  items: Int32Array;
}

/** @param choices the decisions that lead to each item, by item index */
export function itemsBelowEdges(edgeCount: number, choices: readonly (readonly { edge: number }[])[]): ItemsBelow {
  const offsets = new Int32Array(edgeCount + 1);
  for (const { edge } of choices.flat()) offsets[edge + 1] = (offsets[edge + 1] as number) + 1;
  for (let edge = 0; edge < edgeCount; edge++)
    offsets[edge + 1] = (offsets[edge + 1] as number) + (offsets[edge] as number);
  const next = offsets.slice();
  const items = new Int32Array(offsets[edgeCount] as number);
  choices.forEach((path, item) => {
    for (const { edge } of path) {
      items[next[edge] as number] = item;
      next[edge] = (next[edge] as number) + 1;
    }
  });
  return { offsets, items };
}
