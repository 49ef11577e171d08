import type { BearLossOptions } from '../../lib/index';
import type { ReferenceOptions } from '../reference/bear-loss-reference';

/** The reference's options, which take plain arrays, with the typed arrays that the public function asks for. */
export function publicOptions(options: ReferenceOptions): BearLossOptions {
  const { tokenWeights, penaltyWeights, gradOutput, allowed, ...scalars } = options;
  return {
    ...scalars,
    ...(tokenWeights && { tokenWeights: Float32Array.from(tokenWeights) }),
    ...(penaltyWeights && { penaltyWeights: Float32Array.from(penaltyWeights) }),
    ...(gradOutput !== undefined && {
      gradOutput: typeof gradOutput === 'number' ? gradOutput : Float32Array.from(gradOutput),
    }),
    ...(allowed && {
      allowed:
        'bitmask' in allowed
          ? { bitmask: Uint32Array.from(allowed.bitmask) }
          : { offsets: Int32Array.from(allowed.offsets), tokens: Int32Array.from(allowed.tokens) },
    }),
  };
}
