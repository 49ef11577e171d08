import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { withFolderLock } from '../../src/training/folder-lock';
import { withFolder } from '../support/recommender';

/** What this process writes into its lock. */
async function ownLock(folder: string): Promise<Record<string, unknown>> {
  return withFolderLock(folder, async () => {
    const [name = ''] = readdirSync(folder);
    expect(name).toBe('run.1.lock');
    return JSON.parse(readFileSync(join(folder, name), 'utf8'));
  });
}

/** Leaves a lock that differs from one of this process. */
async function leaveLock(folder: string, change: Record<string, unknown>): Promise<void> {
  const lock = await ownLock(folder);
  writeFileSync(join(folder, 'run.4.lock'), JSON.stringify({ ...lock, ...change }));
}

function takes(folder: string): Promise<string[]> {
  return withFolderLock(folder, async () => readdirSync(folder));
}

describe('withFolderLock', () => {
  it('says who holds the folder, and lets it go', () =>
    withFolder(async (folder) => {
      expect(await ownLock(folder)).toMatchObject({ pid: process.pid, host: hostname() });
      expect(readdirSync(folder)).toEqual([]);
    }));

  it('refuses a folder that this process holds already', () =>
    withFolder((folder) =>
      withFolderLock(folder, async () => {
        await expect(takes(folder)).rejects.toThrow(
          `${folder}: is in use by process ${process.pid} (this one) on ${hostname()}, since `,
        );
        expect(readdirSync(folder)).toEqual(['run.1.lock']);
      }),
    ));

  it('lets the folder go when what it called throws', () =>
    withFolder(async (folder) => {
      const fail = async () => {
        throw new Error('thrown');
      };
      await expect(withFolderLock(folder, fail)).rejects.toThrow('thrown');
      expect(readdirSync(folder)).toEqual([]);
    }));

  it('leaves no listener behind', () =>
    withFolder(async (folder) => {
      const events = ['exit', 'SIGINT', 'SIGTERM', 'SIGHUP'];
      const count = () => events.map((event) => process.listenerCount(event));
      const before = count();
      await takes(folder);
      expect(count()).toEqual(before);
    }));

  const onLinux = process.platform === 'linux' ? it : it.skip;

  it.each([['of a process that is no more', { pid: 2 ** 22 + 1 }]])('takes over a lock %s', (_, change) =>
    withFolder(async (folder) => {
      await leaveLock(folder, change);
      expect(await takes(folder)).toEqual(['run.5.lock']);
      expect(readdirSync(folder)).toEqual([]);
    }),
  );

  onLinux.each([
    ['of an earlier process of the same number', { started: '1' }],
    ['of an earlier boot', { boot: 'another', pid: 1 }],
  ])('takes over a lock %s', (_, change) =>
    withFolder(async (folder) => {
      await leaveLock(folder, change);
      expect(await takes(folder)).toEqual(['run.5.lock']);
    }),
  );

  onLinux('refuses that of a live process of somebody else', () =>
    withFolder(async (folder) => {
      // The first process has other times.
      const stat = readFileSync('/proc/1/stat', 'utf8').split(') ').at(-1)?.split(' ') as string[];
      await leaveLock(folder, { pid: 1, started: stat[19] });
      await expect(takes(folder)).rejects.toThrow('is in use by process 1 on ');
      expect(readdirSync(folder)).toEqual(['run.4.lock']);
    }),
  );

  it.each([
    ['of another machine', { host: 'elsewhere' }],
    ['of another container', { pidNamespace: 'pid:[1]' }],
  ])('does not judge a lock %s, and says what to delete', (_, change) =>
    withFolder(async (folder) => {
      await leaveLock(folder, { ...change, pid: 2 ** 22 + 1 });
      await expect(takes(folder)).rejects.toThrow(
        `whether it still runs cannot be seen from here: if it does not, delete ${join(folder, 'run.4.lock')}`,
      );
      expect(readdirSync(folder)).toEqual(['run.4.lock']);
    }),
  );

  it.each(['', 'null', '{"pid":0,"host":"a"}', '{"pid":'])('does not judge a lock that holds %j', (content) =>
    withFolder(async (folder) => {
      const lock = join(folder, 'run.1.lock');
      writeFileSync(lock, content);
      await expect(takes(folder)).rejects.toThrow(`if none is running, delete ${lock}`);
      expect(readFileSync(lock, 'utf8')).toBe(content);
    }),
  );

  it('follows no link, and waits for no folder of the name', () =>
    withFolder(async (folder) => {
      const precious = join(folder, 'precious');
      writeFileSync(precious, 'mine');
      symlinkSync(precious, join(folder, 'run.1.lock'));
      await expect(takes(folder)).rejects.toThrow(`delete ${join(folder, 'run.1.lock')}`);
      mkdirSync(join(folder, 'run.2.lock'));
      await expect(takes(folder)).rejects.toThrow(`delete ${join(folder, 'run.2.lock')}`);
      expect(readFileSync(precious, 'utf8')).toBe('mine');
    }));
});
