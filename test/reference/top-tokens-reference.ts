/** The slow, obvious float64 version of topTokens: a full sort of every row. */

export interface TopTokensReferenceOptions {
  /** The allowed ids of each row; default all. */
  allowed?: readonly (readonly number[])[];
  temperature?: number;
  softcap?: number;
}

export interface TopTokensReferenceRow {
  tokens: number[];
  logProbabilities: number[];
  logSumExp: number;
}

export function topTokensReference(
  rows: readonly ArrayLike<number>[],
  beamWidth: number,
  { allowed, temperature = 1, softcap }: TopTokensReferenceOptions = {},
): TopTokensReferenceRow[] {
  return rows.map((logits, row) => {
    const candidates = allowed?.[row] ?? Array.from({ length: logits.length }, (_, token) => token);
    const logitOf = (token: number) => logits[token] as number;
    if (candidates.some((token) => Number.isNaN(logitOf(token)) || logitOf(token) === Infinity)) {
      return filled([], [], Number.NaN, beamWidth);
    }
    const scaled = (token: number) =>
      (softcap === undefined ? logitOf(token) : softcap * Math.tanh(logitOf(token) / softcap)) / temperature;
    const finite = candidates.filter((token) => logitOf(token) !== -Infinity);
    const largest = finite.reduce((most, token) => Math.max(most, scaled(token)), -Infinity);
    const sum = finite.reduce((total, token) => total + Math.exp(scaled(token) - largest), 0);
    const logSumExp = finite.length === 0 ? -Infinity : largest + Math.log(sum);
    const best = finite.sort((a, b) => logitOf(b) - logitOf(a) || a - b).slice(0, beamWidth);
    return filled(
      best,
      best.map((token) => scaled(token) - logSumExp),
      logSumExp,
      beamWidth,
    );
  });
}

function filled(
  tokens: number[],
  logProbabilities: number[],
  logSumExp: number,
  beamWidth: number,
): TopTokensReferenceRow {
  const missing = beamWidth - tokens.length;
  const nothing = Number.isNaN(logSumExp) ? Number.NaN : -Infinity;
  return {
    tokens: [...tokens, ...Array<number>(missing).fill(-1)],
    logProbabilities: [...logProbabilities, ...Array<number>(missing).fill(nothing)],
    logSumExp,
  };
}
