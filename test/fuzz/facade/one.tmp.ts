import { BEAR_ERROR_CODES } from '../../../lib/loss/errors.js';
import { publicCalls } from '../../support/public-calls.cjs';
import { runCase } from './facade-case.js';

process.on('unhandledRejection', () => {});
const one = JSON.parse(require('node:fs').readFileSync('/tmp/facade-last', 'utf8'));
console.log((publicCalls as any)[one.call % publicCalls.length].name);
(globalThis as any).LOG = true;
void runCase(publicCalls as never, new Set<string>(BEAR_ERROR_CODES), one).then((x: unknown) => console.log(x ?? 'ok'));
