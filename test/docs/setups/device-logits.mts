export const [rows, vocabSize] = [3, 100] as const;
export const array = new Uint16Array(rows * vocabSize);
export const targets = [1, 2, 3];
