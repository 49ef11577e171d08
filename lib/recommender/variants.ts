import { LOSSES, type LossName, type LossSettings } from './losses.js';
import { DEFAULT_RUN_OPTIONS } from './run-options.js';

/** One way to train, by its name in the tables. */
export interface Variant {
  name: string;
  settings: Partial<LossSettings>;
}

const PENALTIES = ['hinge', 'softplus', 'sigmoid', 'log-sigmoid', 'reweight'] as const;
const NUMBERS: Readonly<Record<string, keyof LossSettings>> = {
  lambda: 'lambda',
  xi: 'xi',
  margin: 'margin',
  B: 'lossBeamWidth',
};

/** Masked and unmasked cross-entropy, and every penalty; `reweight` as the authors' sample command has it. */
export const DEFAULT_VARIANTS = [
  'msl',
  'sft',
  'hinge,lambda=1',
  'softplus,lambda=1',
  'sigmoid,lambda=1',
  'log-sigmoid,lambda=0.25',
  'reweight,lambda=0.25,xi=2.75',
];

/**
 * Reads a variant: `sft`, `msl`, or a penalty followed by what differs from the defaults, as in `hinge,lambda=1,margin=0.5`;
 * `B=5` is the beam width of the loss, `flow` lets the gradient through the threshold.
 *
 * @throws Error that says what is wrong with the text
 */
export function parseVariant(text: string): Variant {
  const [kind = '', ...parts] = text.split(',').map((part) => part.trim());
  const isPlain = kind === LOSSES[0] || kind === LOSSES[1];
  const penalty = PENALTIES.find((name) => name === kind);
  if (!isPlain && !penalty) {
    throw new Error(
      `variant ${JSON.stringify(text)}: expected sft, msl or one of ${PENALTIES.join(', ')}, got ${kind}`,
    );
  }
  if (isPlain && parts.length > 0) throw new Error(`variant ${JSON.stringify(text)}: ${kind} has no settings`);
  const settings: Partial<LossSettings> = penalty ? { loss: 'bear', penalty } : { loss: kind as LossName };
  for (const part of parts) Object.assign(settings, parseSetting(part, text));
  return { name: [kind, ...parts].join(','), settings };
}

function parseSetting(part: string, text: string): Partial<LossSettings> {
  if (part === 'flow') return { thresholdGradient: 'flow' };
  const [, name = '', value = ''] = /^(\w+)=(.+)$/.exec(part) ?? [];
  const setting = NUMBERS[name];
  if (!setting || !Number.isFinite(Number(value)) || value.trim() === '') {
    const known = [...Object.keys(NUMBERS).map((key) => `${key}=NUMBER`), 'flow'].join(', ');
    throw new Error(`variant ${JSON.stringify(text)}: expected ${known}, got ${JSON.stringify(part)}`);
  }
  if (name === 'xi' && Number(value) <= 0) throw new Error(`variant ${JSON.stringify(text)}: xi must be above 0`);
  if (name === 'B' && (!Number.isInteger(Number(value)) || Number(value) < 1)) {
    throw new Error(`variant ${JSON.stringify(text)}: B must be a positive whole number`);
  }
  return { [setting]: Number(value) };
}

/** The variant's settings that differ from the defaults or from one another are in its name; this is its folder. */
export function variantFolder({ name }: Variant): string {
  return name.replace(/[^\w.+-]+/g, '_');
}

export function isBaselineLoss({ settings }: Variant): boolean {
  return (settings.loss ?? DEFAULT_RUN_OPTIONS.loss) === 'msl';
}
