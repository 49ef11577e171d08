import { DEFAULT_LAMBDAS, type LossName, type LossSettings, PENALTIES } from '../training/losses.js';
import type { RunOptions } from '../training/run-options.js';

/** One way to train and to search, by its name in the tables. */
export interface Variant {
  name: string;
  settings: Partial<LossSettings & Pick<RunOptions, 'searchTemperature'>>;
}

interface NumberSetting {
  setting: keyof Variant['settings'];
  isValid: (value: number) => boolean;
  range: string;
  /** Whether sft and msl have it, too. */
  isOfSearch?: boolean;
}

const isCount = (value: number) => Number.isInteger(value) && value > 0;
const isPositive = (value: number) => value > 0;
const isFromZero = (value: number) => value >= 0;
const NUMBERS: Readonly<Record<string, NumberSetting>> = {
  lambda: { setting: 'lambda', isValid: isFromZero, range: 'at least 0' },
  xi: { setting: 'xi', isValid: isPositive, range: 'above 0' },
  margin: { setting: 'margin', isValid: () => true, range: 'a number' },
  B: { setting: 'lossBeamWidth', isValid: isCount, range: 'a positive whole number' },
  from: {
    setting: 'penaltyStart',
    isValid: (value) => Number.isInteger(value) && isFromZero(value),
    range: 'a whole number of at least 0',
  },
  end: { setting: 'penaltyEnd', isValid: isCount, range: 'a positive whole number' },
  T: { setting: 'searchTemperature', isValid: isPositive, range: 'above 0', isOfSearch: true },
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
 * Reads a variant: `sft`, `msl`, or a penalty, followed by what differs from the defaults, as in
 * `hinge,lambda=1,margin=0.5`. `B=5` is the beam width of the loss, `flow` lets the gradient through the threshold, `from=1`
 * and `end=3` keep the penalty to decisions 1 and 2, counted from 0, `lambda=16/4/1` has a lambda for decision 0, for decision 1
 * and for all later ones, and `T=0.8` is the temperature of the finished model's
 * search, for `sft` and `msl`, too.
 *
 * @throws Error that says what is wrong with the text
 */
export function parseVariant(text: string): Variant {
  const [kind = '', ...parts] = text.split(',').map((part) => part.trim());
  const penalty = PENALTIES.find((name) => name === kind);
  if (!penalty && kind !== 'sft' && kind !== 'msl') {
    throw new Error(
      `variant ${JSON.stringify(text)}: expected sft, msl or one of ${PENALTIES.join(', ')}, got ${JSON.stringify(kind)}`,
    );
  }
  const settings: Variant['settings'] = penalty
    ? { loss: 'bear', penalty, lambda: DEFAULT_LAMBDAS[penalty] }
    : { loss: kind as LossName };
  const names = parts.map((part) => part.split('=')[0]);
  parts.forEach((part, index) => {
    Object.assign(settings, parseSetting(part, text, penalty !== undefined));
    if (names.indexOf(names[index]) === index) return;
    throw new Error(`variant ${JSON.stringify(text)}: ${part} sets what is set already`);
  });
  return { name: [kind, ...parts].join(','), settings };
}

function parseSetting(part: string, text: string, hasPenalty: boolean): Variant['settings'] {
  if (part === 'flow' && hasPenalty) return { thresholdGradient: 'flow' };
  const [, name = '', value = ''] = /^(\w+)=(.+)$/.exec(part) ?? [];
  const known = Object.entries(NUMBERS).filter(([, { isOfSearch }]) => hasPenalty || isOfSearch);
  const found = known.find(([key]) => key === name)?.[1];
  if (!found) {
    const choices = [...known.map(([key]) => `${key}=NUMBER`), ...(hasPenalty ? ['flow'] : [])].join(', ');
    throw new Error(`variant ${JSON.stringify(text)}: expected ${choices}, got ${JSON.stringify(part)}`);
  }
  const texts = name === 'lambda' ? value.split('/') : [value];
  const numbers = texts.map((each) => (each.trim() === '' ? Number.NaN : Number(each)));
  if (!numbers.every((number) => Number.isFinite(number) && found.isValid(number))) {
    throw new Error(`variant ${JSON.stringify(text)}: ${name} must be ${found.range}, got ${JSON.stringify(value)}`);
  }
  return numbers.length > 1 ? { lambdas: numbers } : { [found.setting]: numbers[0] };
}

/** Where the runs of a variant are kept. Names hold all that tells variants apart. */
export function variantFolder({ name }: Variant): string {
  return name.replace(/[^\w.+-]+/g, '_');
}

export function isPlain({ settings }: Variant): boolean {
  return settings.loss !== 'bear';
}
