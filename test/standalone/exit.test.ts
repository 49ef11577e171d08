import { outputOf, runProgram } from './run-program';

describe('a process with calls that run and wait', () => {
  it('stays until they are done', () => {
    expect(outputOf(runProgram('exit', { programArguments: ['end'] }))).toBe('finished 6');
  });

  it.each(['now', 'now-in-a-while'])('ends cleanly by process.exit (%s)', (how) => {
    const { status, signal, stdout, stderr } = runProgram('exit', { programArguments: [how] });
    expect({ status, signal, stdout, stderr }).toEqual({ status: 0, signal: null, stdout: '', stderr: '' });
  });

  it('ends with the status of its handler after an uncaught error', () => {
    const { status, signal, stderr } = runProgram('exit', { programArguments: ['throw'] });
    expect({ status, signal, stderr }).toEqual({ status: 3, signal: null, stderr: '' });
  });
});
