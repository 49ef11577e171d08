import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { writeNew } from '../data/atomic-file.js';
import { readRegularFile } from '../data/regular-file.js';

// One writer for a folder. A lock is a file that says who holds it. The kernel's own locks would end with their process, but
// Node.js has none, and a lock whose time is renewed would end when a machine sleeps.
//
// The lock of a dead process is not removed and made anew, as a second process that found it dead may remove what the first
// has made. Locks are numbered instead: whoever creates the next number, exclusively, and then sees no higher one and no lower
// one of a live process, holds the folder. So only one takes over, however they are interleaved.

const LOCK_FILE = /^run\.(\d{1,9})\.lock$/;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function isLockFile(name: string): boolean {
  return LOCK_FILE.test(name);
}

/** Who holds a lock, and how others can find out whether it still lives. */
interface Holder {
  pid: number;
  /** When the process began, in ticks since the boot, as another may get its number later; Linux only. */
  started: string | undefined;
  host: string;
  /** Of the kernel that it runs on, and the process numbers that it sees: containers have their own; Linux only. */
  boot: string | undefined;
  pidNamespace: string | undefined;
  since: string;
}

/**
 * Calls `use` while this process, and no other, holds the folder, which must be there. The lock goes when `use` returns or
 * throws, and when the process exits or a signal ends it; where nothing could remove it, the next process takes it over.
 *
 * @throws Error that says who holds the folder and since when
 */
export async function withFolderLock<T>(folder: string, use: () => Promise<T>): Promise<T> {
  const file = acquire(folder);
  const release = () => rmSync(file, { force: true });
  const onSignal = (signal: NodeJS.Signals) => {
    // Whoever else listens decides whether the process goes on. If nobody does, it ends, as without this listener.
    if (process.listenerCount(signal) > 0) return;
    release();
    process.kill(process.pid, signal);
  };
  process.once('exit', release);
  for (const signal of SIGNALS) process.once(signal, onSignal);
  try {
    return await use();
  } finally {
    process.removeListener('exit', release);
    for (const signal of SIGNALS) process.removeListener(signal, onSignal);
    release();
  }
}

function acquire(folder: string): string {
  for (;;) {
    const highest = locksIn(folder).at(-1) ?? 0;
    if (highest > 0) requireDead(folder, highest);
    const mine = highest + 1;
    const file = lockFile(folder, mine);
    if (!create(folder, file)) continue;
    // Others may have taken over, and gone, since the first look. Of two that look after they have created theirs, at least
    // one sees the other.
    const locks = locksIn(folder);
    const lower = locks.filter((number) => number < mine);
    if (locks.at(-1) === mine) {
      requireAllDead(folder, lower, file);
      for (const number of lower) rmSync(lockFile(folder, number), { force: true });
      return file;
    }
    rmSync(file, { force: true });
  }
}

function requireAllDead(folder: string, lower: readonly number[], own: string): void {
  try {
    for (const number of lower) requireDead(folder, number);
  } catch (error) {
    rmSync(own, { force: true });
    throw error;
  }
}

/** False where another process was faster. */
function create(folder: string, file: string): boolean {
  try {
    writeNew(file, [JSON.stringify(self())]);
    return true;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    // It was created, but the disk is full.
    if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EIO') rmSync(file, { force: true });
    throw new Error(`${folder}: cannot be locked (${code})`, { cause });
  }
}

/** The numbers of the locks, the highest last. */
function locksIn(folder: string): number[] {
  const numbers = readdirSync(folder).flatMap((name) => LOCK_FILE.exec(name)?.[1] ?? []);
  return numbers.map(Number).sort((a, b) => a - b);
}

function lockFile(folder: string, number: number): string {
  return join(folder, `run.${number}.lock`);
}

/** @throws Error where the holder lives, or may live */
function requireDead(folder: string, number: number): void {
  const file = lockFile(folder, number);
  let holder: Holder;
  try {
    holder = JSON.parse(readRegularFile(file, { followLinks: false }).toString());
    if (!Number.isSafeInteger(holder.pid) || holder.pid < 1 || typeof holder.host !== 'string')
      throw new Error('no holder');
  } catch (cause) {
    // It was released just now.
    if (!locksIn(folder).includes(number)) return;
    throw new Error(
      `${folder}: another process is locking it, or ended while it did; if none is running, delete ${file}`,
      { cause },
    );
  }
  const state = stateOf(holder);
  if (state === 'dead') return;
  const { pid, host, since } = holder;
  const who = `process ${pid}${pid === process.pid && state === 'alive' ? ' (this one)' : ''} on ${host}, since ${since}`;
  if (state === 'alive') throw new Error(`${folder}: is in use by ${who}; wait until it ends, or give another folder`);
  throw new Error(
    `${folder}: is in use by ${who}; whether it still runs cannot be seen from here: if it does not, delete ${file}`,
  );
}

function stateOf(holder: Holder): 'alive' | 'dead' | 'unknown' {
  const own = self();
  if (holder.host !== own.host) return 'unknown';
  // The machine was started anew since.
  if (holder.boot !== own.boot) return 'dead';
  if (holder.pidNamespace !== own.pidNamespace) return 'unknown';
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: it lives and is somebody else's.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'dead';
  }
  return holder.started === startOf(holder.pid) ? 'alive' : 'dead';
}

function self(): Holder {
  return {
    pid: process.pid,
    started: startOf(process.pid),
    host: hostname(),
    boot: kernelText(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    pidNamespace: kernelText(() => readlinkSync('/proc/self/ns/pid')),
    since: new Date().toISOString(),
  };
}

/** Field 22 of /proc/PID/stat. The name of the program, in field 2, may hold spaces and brackets. */
function startOf(pid: number): string | undefined {
  return kernelText(() => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19] as string);
}

function kernelText(read: () => string): string | undefined {
  try {
    return process.platform === 'linux' ? read() : undefined;
  } catch {
    return undefined;
  }
}
