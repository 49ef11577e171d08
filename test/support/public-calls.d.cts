// What the table of public calls holds, for harnesses in TypeScript.
export interface PublicCall {
  name: string;
  /** May return a promise. */
  run: (...args: unknown[]) => unknown;
  /** Fresh arguments with which it succeeds. */
  makeArguments: (vocabSize?: number) => unknown[];
  /** Whether the first argument is the object whose method is called. */
  hasReceiver?: boolean;
}

export const publicCalls: readonly PublicCall[];
export const deviceCalls: readonly PublicCall[];
