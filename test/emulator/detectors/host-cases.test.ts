/** The stand-in for the CUDA runtime: what host code does wrong shows, and what it does right works. */
import { emulator, whyNotEmulated } from '../../support/emulator';

const reason = whyNotEmulated();
const describeEmulated = reason === null ? describe : describe.skip;
const randomOrders = Array.from({ length: 40 }, (_, index) => index + 1);

const INVALID_VALUE = 1;
const OUT_OF_MEMORY = 2;
const INSUFFICIENT_DRIVER = 35;
const NO_DEVICE = 100;
const INVALID_HANDLE = 400;

describeEmulated(`the runtime of the emulator${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  const kinds = () =>
    emulator()
      .reports()
      .map((report) => report.kind);

  beforeEach(() => emulator().reset());
  afterEach(() => emulator().reset());

  it.each(['copy_of_the_wrong_kind', 'copy_beyond_the_end', 'fill_beyond_the_end'])(
    'refuses and reports: %s',
    (name) => {
      expect(emulator().runHostCase(name)).toBe(INVALID_VALUE);
      expect(kinds()).toEqual(['runtime-misuse']);
    },
  );

  it.each([
    ['freed_twice', INVALID_VALUE],
    ['event_on_another_device', INVALID_HANDLE],
    ['stream_after_its_end', INVALID_HANDLE],
  ])('refuses: %s', (name, error) => {
    expect(emulator().runHostCase(name)).toBe(error);
  });

  const rightIn = (name: string) =>
    randomOrders.filter((seed) => {
      emulator().configure({ seed });
      return emulator().runHostCase(name) === 1;
    });

  it.each(['streams_with_an_event', 'host_reads_after_synchronising', 'staging_refilled_after_the_copy'])(
    'gives the right result in every order: %s',
    (name) => {
      expect(rightIn(name)).toEqual(randomOrders);
    },
  );

  it.each(['streams_without_an_event', 'host_reads_too_early', 'staging_refilled_too_early'])(
    'gives a wrong result in some order: %s',
    (name) => {
      const right = rightIn(name).length;
      expect(right).toBeGreaterThan(0);
      expect(right).toBeLessThan(randomOrders.length);
    },
  );

  it('does work at once with seed 0', () => {
    expect(emulator().runHostCase('host_reads_too_early')).toBe(1);
  });

  it('leaves nothing behind', () => {
    const before = emulator().liveCounts();
    for (const name of emulator().hostCases()) emulator().runHostCase(name);
    expect(emulator().liveCounts()).toEqual(before);
  });

  it.each([
    ['missing', INSUFFICIENT_DRIVER],
    ['too-old', INSUFFICIENT_DRIVER],
  ] as const)('with a driver that is %s, every call says so', (state, error) => {
    emulator().setDriver(state);
    expect(emulator().runHostCase('stream_after_its_end')).toBe(error);
  });

  it('fails the call that it was told to, once', () => {
    emulator().failCall('cudaFree', 2, OUT_OF_MEMORY);
    expect(emulator().runHostCase('freed_twice')).toBe(OUT_OF_MEMORY);
    expect(emulator().runHostCase('freed_twice')).toBe(INVALID_VALUE);
  });

  it('says with which error a device is not there', () => {
    emulator().failCall('cudaGetDeviceCount', 1, NO_DEVICE);
    expect(emulator().runHostCase('event_on_another_device')).toBe(NO_DEVICE);
  });

  it('counts calls', () => {
    emulator().runHostCase('freed_twice');
    expect(emulator().calls()).toEqual({ cudaMalloc: 1, cudaFree: 2 });
  });
});
