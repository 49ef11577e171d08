// Where `fused-bear-loss build` puts an addon, as a package's own folder may be read-only or shared.
import { nodeModule } from '../options/node-module.js';
import { napiVersion, target } from './target.js';

const { homedir } = nodeModule('node:os');
const { isAbsolute, join } = nodeModule('node:path');

const { version } = require('../../package.json') as { version: string };

/**
 * One folder for each version of the package, version of Node-API and kind of system. Need not exist. Undefined where the
 * user has no folder: an unknown user id without HOME, as some containers have, or a runtime that tells nothing.
 */
export function cacheFolder(): string | undefined {
  try {
    return join(userCacheFolder(), 'fused-bear-loss', version, `napi-v${napiVersion}-${target()}`);
  } catch {
    return undefined;
  }
}

function userCacheFolder(): string {
  const { XDG_CACHE_HOME: xdg, LOCALAPPDATA: local } = process.env;
  if (xdg !== undefined && isAbsolute(xdg)) return xdg;
  if (process.platform === 'win32') return local ?? join(homedir(), 'AppData', 'Local');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches');
  return join(homedir(), '.cache');
}
