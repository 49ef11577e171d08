/** The public names of the enumerated options, for tests that go through all of them. */
export const PENALTIES = ['hinge', 'softplus', 'log-sigmoid', 'sigmoid', 'reweight', 'none'] as const;
export const REDUCTIONS = ['mean', 'sum', 'none', 'weighted-mean'] as const;
export const THRESHOLD_GRADIENTS = ['detach', 'flow'] as const;
