import fs, { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from '../../src/data/atomic-file';
import { withFolder } from '../support/recommender';

afterEach(() => jest.restoreAllMocks());

describe('writeAtomically', () => {
  it('writes parts of text and bytes, one after the other', () =>
    withFolder((folder) => {
      const file = join(folder, 'file');
      writeAtomically(file, ['old']);
      writeAtomically(file, ['a', Uint8Array.of(0xff, 0x0a), 'ä']);
      expect(readFileSync(file)).toEqual(Buffer.concat([Buffer.from('a'), Buffer.of(0xff, 0x0a), Buffer.from('ä')]));
      expect(readdirSync(folder)).toEqual(['file']);
    }));

  it('does not write through a symbolic link beside the file, nor at the file', () =>
    withFolder((folder) => {
      const [file, precious] = [join(folder, 'file'), join(folder, 'precious')];
      writeFileSync(precious, 'mine');
      symlinkSync(precious, `${file}.partial`);
      symlinkSync(precious, file);
      writeAtomically(file, ['new']);
      expect(readFileSync(precious, 'utf8')).toBe('mine');
      expect(lstatSync(file).isFile()).toBe(true);
      expect(readFileSync(file, 'utf8')).toBe('new');
    }));

  it('does not create what a link beside the file points to', () =>
    withFolder((folder) => {
      const file = join(folder, 'file');
      symlinkSync(join(folder, 'elsewhere'), `${file}.partial`);
      writeAtomically(file, ['new']);
      expect(readdirSync(folder)).toEqual(['file']);
    }));

  it('replaces what a killed writer left', () =>
    withFolder((folder) => {
      const file = join(folder, 'file');
      writeFileSync(`${file}.partial`, 'longer than what is written now');
      writeAtomically(file, ['new']);
      expect(readFileSync(file, 'utf8')).toBe('new');
      expect(readdirSync(folder)).toEqual(['file']);
    }));

  it('follows no link that appears between the look and the writing', () =>
    withFolder((folder) => {
      const [file, precious] = [join(folder, 'file'), join(folder, 'precious')];
      writeFileSync(precious, 'mine');
      const remove = fs.rmSync;
      jest.spyOn(fs, 'rmSync').mockImplementationOnce((path, options) => {
        remove(path, options);
        symlinkSync(precious, path as string);
      });
      expect(() => writeAtomically(file, ['new'])).toThrow(`${file}: cannot be written (EEXIST)`);
      expect(readFileSync(precious, 'utf8')).toBe('mine');
      expect(existsSync(file)).toBe(false);
    }));

  it.each(['writeSync', 'fsyncSync', 'renameSync'] as const)(
    'leaves the old content and nothing else where the disk is full in %s, and names the file',
    (call) =>
      withFolder((folder) => {
        const file = join(folder, 'file');
        writeAtomically(file, ['old']);
        jest.spyOn(fs, call).mockImplementation(() => {
          throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
        });
        expect(() => writeAtomically(file, ['new'])).toThrow(`${file}: cannot be written (ENOSPC)`);
        jest.restoreAllMocks();
        expect(readFileSync(file, 'utf8')).toBe('old');
        expect(readdirSync(folder)).toEqual(['file']);
      }),
  );

  it('names a file that is a folder, and one whose folder is not there', () =>
    withFolder((folder) => {
      const file = join(folder, 'file');
      mkdirSync(file);
      expect(() => writeAtomically(file, ['new'])).toThrow(`${file}: cannot be written (EISDIR)`);
      expect(readdirSync(folder)).toEqual(['file']);
      const nowhere = join(folder, 'nowhere', 'file');
      expect(() => writeAtomically(nowhere, ['new'])).toThrow(`${nowhere}: cannot be written (ENOENT)`);
    }));
});
