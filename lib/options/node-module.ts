/**
 * A module of Node by its name, as `node:fs`. Not by `import`, which becomes `require`: that is what a bundle of ES modules
 * does not have.
 */
export const nodeModule: typeof process.getBuiltinModule =
  // Node before 20.16 has no such function.
  process.getBuiltinModule ?? (require as unknown as typeof process.getBuiltinModule);
