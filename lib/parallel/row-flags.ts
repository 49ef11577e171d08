/** Bits of a row's flags, as native/core/vocabulary_part.h has them. */
export const ROW_FLAGS = {
  /** NaN or plus infinity among the allowed logits. */
  poisoned: 1,
  /** The target is one of the part's tokens. */
  ownsTarget: 2,
  /** The target is `ignoreIndex`. */
  ignored: 4,
  /** Of merged rows: no allowed logit above minus infinity. */
  masked: 8,
  /** Of merged rows: more than one allowed token. */
  severalAllowed: 16,
} as const;
