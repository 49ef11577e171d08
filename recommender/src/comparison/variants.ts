import { COUNT, FINITE, FROM_ZERO, POSITIVE, type Range, WHOLE } from '../ranges.js';
import {
  DEFAULT_LAMBDAS,
  hasMargin,
  hasScale,
  hasThresholdGradient,
  LOSSES,
  type LossName,
  type LossSettings,
  PENALTIES,
} from '../training/losses.js';
import type { RunOptions } from '../training/run-options.js';

/** One way to train and to search, by its name in the tables. */
export interface Variant {
  name: string;
  settings: Partial<LossSettings & Pick<RunOptions, 'searchTemperature'>>;
}

interface NumberSetting {
  setting: keyof Variant['settings'];
  range: Range;
  /** Which losses have it; default the penalties. */
  isOf?: (kind: string) => boolean;
}

const isOfAny = () => true;
const isApao = (kind: string) => kind === 'apao';
/** Those that have no penalty. */
const PLAIN_LOSSES = LOSSES.filter((name) => name !== 'bear');
const NUMBERS: Readonly<Record<string, NumberSetting>> = {
  lambda: { setting: 'lambda', range: FROM_ZERO },
  xi: { setting: 'xi', range: POSITIVE, isOf: hasScale },
  margin: { setting: 'margin', range: FINITE, isOf: hasMargin },
  B: { setting: 'lossBeamWidth', range: COUNT },
  from: { setting: 'penaltyStart', range: WHOLE },
  end: { setting: 'penaltyEnd', range: COUNT },
  tau: { setting: 'temperature', range: POSITIVE, isOf: isOfAny },
  T: { setting: 'searchTemperature', range: POSITIVE, isOf: isOfAny },
  beta: { setting: 'beta', range: FROM_ZERO, isOf: isApao },
  eta: { setting: 'eta', range: FINITE, isOf: isApao },
};

/** Masked and unmasked cross-entropy, and every penalty; `reweight` as the authors' sample command has it. */
export const DEFAULT_VARIANTS = [
  'msl',
  'sft',
  'hinge,lambda=1',
  'softplus,lambda=1',
  'sigmoid,lambda=1',
  'log-sigmoid,lambda=4',
  'reweight,lambda=0.25,xi=2.75',
];

/**
 * Reads a variant: `sft`, `msl`, `apao`, or a penalty, followed by what differs from the defaults, as in
 * `hinge,lambda=1,margin=0.5`. `B=5` is the beam width of the loss, `flow` lets the gradient through the threshold, `from=1`
 * and `end=3` keep the penalty to decisions 1 and 2, counted from 0, `lambda=16/4/1` has a lambda for decision 0, for decision 1
 * and for all later ones. `tau=1.5` is the temperature of the loss and of the search, `T=0.8` that of the finished model's
 * search alone; both for the losses without a penalty, too. `apao` has `beta=0.1`, `eta=0` and `unmasked`.
 *
 * @throws Error that says what is wrong with the text
 */
export function parseVariant(text: string): Variant {
  const [kind = '', ...parts] = text.split(',').map((part) => part.trim());
  const penalty = PENALTIES.find((name) => name === kind);
  const plain = PLAIN_LOSSES.find((name) => name === kind);
  if (!penalty && !plain) {
    const kinds = [...PLAIN_LOSSES, ...PENALTIES].join(', ');
    throw new Error(`variant ${JSON.stringify(text)}: expected one of ${kinds}, got ${JSON.stringify(kind)}`);
  }
  const settings: Variant['settings'] = penalty
    ? { loss: 'bear', penalty, lambda: DEFAULT_LAMBDAS[penalty] }
    : { loss: plain as LossName };
  const names = parts.map((part) => part.split('=')[0]);
  parts.forEach((part, index) => {
    Object.assign(settings, parseSetting(part, text, kind));
    if (names.indexOf(names[index]) === index) return;
    throw new Error(`variant ${JSON.stringify(text)}: ${part} sets what is set already`);
  });
  const { penaltyStart = 0, penaltyEnd = Number.POSITIVE_INFINITY } = settings;
  if (penaltyStart >= penaltyEnd) {
    throw new Error(`variant ${JSON.stringify(text)}: no decision is from ${penaltyStart} on and before ${penaltyEnd}`);
  }
  return { name: [kind, ...parts].join(','), settings };
}

function parseSetting(part: string, text: string, kind: string): Variant['settings'] {
  const isPenalty = (name: string) => PENALTIES.some((penalty) => penalty === name);
  const canFlow = hasThresholdGradient(kind);
  if (part === 'flow' && canFlow) return { thresholdGradient: 'flow' };
  if (part === 'unmasked' && isApao(kind)) return { unmasked: true };
  const [, name = '', value = ''] = /^(\w+)=(.+)$/.exec(part) ?? [];
  const known = Object.entries(NUMBERS).filter(([, { isOf = isPenalty }]) => isOf(kind));
  const found = known.find(([key]) => key === name)?.[1];
  if (!found) {
    const choices = [
      ...known.map(([key]) => `${key}=NUMBER`),
      ...(canFlow ? ['flow'] : []),
      ...(isApao(kind) ? ['unmasked'] : []),
    ].join(', ');
    throw new Error(`variant ${JSON.stringify(text)}: expected ${choices}, got ${JSON.stringify(part)}`);
  }
  const texts = name === 'lambda' ? value.split('/') : [value];
  const numbers = texts.map((each) => (each.trim() === '' ? Number.NaN : Number(each)));
  if (!numbers.every((number) => Number.isFinite(number) && found.range.isValid(number))) {
    throw new Error(
      `variant ${JSON.stringify(text)}: ${name} must be ${found.range.words}, got ${JSON.stringify(value)}`,
    );
  }
  return numbers.length > 1 ? { lambdas: numbers } : { [found.setting]: numbers[0] };
}

/** Where the runs of a variant are kept. Names hold all that tells variants apart. */
export function variantFolder({ name }: Variant): string {
  return name.replace(/[^\w.+-]+/g, '_');
}
