// What to say where no addon can be loaded.
import type { AddonMissing } from './load-addon.js';
import { target } from './target.js';

export function addonNotFound({ reason, attempts, searched }: AddonMissing): Error {
  const reasons = new Map(attempts.map((attempt) => [attempt.file, attempt.reason]));
  const message = [
    `fused-bear-loss: ${reason}.`,
    `This is ${target()}, Node ${process.version}. Looked for:`,
    ...searched.map((file) => `  ${file}: ${reasons.get(file) ?? 'not there'}`),
    'To build it here:',
    '  in an application:  npx fused-bear-loss build',
    '  in a clone:  npm ci && npm run build',
    'A node_modules folder that was installed on another operating system or C library has to be installed anew.',
  ].join('\n');
  return Object.assign(new Error(message), { code: 'ERR_BEAR_ADDON_NOT_FOUND' });
}
