// Finds the native addon. The only place that loads a .node file.
import { nodeModule } from '../options/node-module.js';
import type { NativeBinding } from './binding.js';
import { cacheFolder } from './cache-folder.js';
import { CALL_FIELDS } from './call-fields.js';
import { packageRoot } from './package-root.js';
import { firstBytes, libc, target } from './target.js';

const { existsSync, statSync } = nodeModule('node:fs');
const { createRequire } = nodeModule('node:module');
const { join, resolve } = nodeModule('node:path');

/** As the builds call it. */
const ADDON_NAME = 'fused_bear_loss.node';

/** A file that was tried. */
export interface AddonAttempt {
  file: string;
  /** Why it is not used. */
  reason: string;
}

export interface AddonFound {
  addon: NativeBinding;
  file: string;
  /** Files that come before it and could not be used. Usually empty. */
  attempts: AddonAttempt[];
}

export interface AddonMissing {
  addon: undefined;
  /** One line. */
  reason: string;
  /** Whether a file was there and could not be used. False: this platform has none. */
  present: boolean;
  attempts: AddonAttempt[];
  /** Where it was looked for. */
  searched: string[];
}

/**
 * Returns the first addon that loads, or why there is none. Loads anew at each call.
 *
 * Throws only ERR_BEAR_OUT_OF_MEMORY.
 */
export function loadAddon(): AddonFound | AddonMissing {
  const attempts: AddonAttempt[] = [];
  let root: string | undefined;
  let searched: string[];
  try {
    // Of what `require` takes, a relative path begins at another folder than a path of `node:fs`.
    const chosen = process.env.FUSED_BEAR_LOSS_PREBUILD ? resolve(process.env.FUSED_BEAR_LOSS_PREBUILD) : undefined;
    root = chosen ?? packageRoot();
    searched = addonFiles(root, chosen === undefined);
  } catch (error) {
    // A runtime may refuse the environment.
    return {
      addon: undefined,
      reason: `no addon can be looked for: ${firstLine(error)}`,
      present: false,
      attempts,
      searched: [],
    };
  }
  for (const file of searched) {
    if (!existsSync(file)) continue;
    try {
      assertWhole(file);
      const addon = createRequire(file)(file) as NativeBinding;
      assertSameFields(addon);
      return { addon, file, attempts };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BEAR_OUT_OF_MEMORY') throw error;
      attempts.push({ file, reason: firstLine(error).replace(`${file}: `, '') });
    }
  }
  const [first] = attempts;
  const reason = first ? `${first.file} cannot be used: ${first.reason}` : whyNone(root);
  return { addon: undefined, reason, present: first !== undefined, attempts, searched };
}

function whyNone(root: string | undefined): string {
  const isLost = root === undefined ? ': this program is a bundle, and finds no installed package of this version' : '';
  return `there is no native addon for ${target()}${isLost}`;
}

/** In the order of preference: what was built here comes before what was shipped. */
function addonFiles(root: string | undefined, withBuilt: boolean): string[] {
  const tag = process.platform === 'linux' ? `.${libc()}` : '';
  const shipped = join('prebuilds', `${process.platform}-${process.arch}`, `fused-bear-loss${tag}.node`);
  const inRoot = (file: string) => (root === undefined ? undefined : join(root, file));
  const files = [
    inRoot(join('build', 'Release', ADDON_NAME)),
    withBuilt ? builtAddonFile() : undefined,
    inRoot(shipped),
  ];
  return files.filter((file) => file !== undefined);
}

/** Where `fused-bear-loss build` puts the addon; undefined where the user has no cache folder. */
export function builtAddonFile(): string | undefined {
  const folder = cacheFolder();
  return folder === undefined ? undefined : join(folder, ADDON_NAME);
}

// The loader of glibc maps a truncated file and the process dies at the first access past its end (SIGBUS). Linkers put
// the table of sections last.
function assertWhole(file: string): void {
  const header = firstBytes(file, 64);
  const isElf64 = header.readUInt32BE(0) === 0x7f454c46 && header[4] === 2;
  if (!isElf64) return;
  const end = Number(header.readBigUInt64LE(0x28)) + header.readUInt16LE(0x3a) * header.readUInt16LE(0x3c);
  if (statSync(file).size < end) throw new Error('the file is truncated');
}

// A clone that was updated and not built anew, or another package's addon: positions would mean other fields.
function assertSameFields({ callFields }: NativeBinding): void {
  if (JSON.stringify(callFields) === JSON.stringify(CALL_FIELDS)) return;
  throw new Error('it belongs to another version of this package, or to another package');
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  // Without the stop that ends it for some systems: it becomes a part of other sentences.
  return (message.trim().split('\n', 1)[0] ?? '').replace(/\.+$/, '');
}
