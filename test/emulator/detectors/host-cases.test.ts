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

  const right = [
    'streams_with_an_event',
    'event_destroyed_while_awaited',
    'event_recorded_anew_while_awaited',
    'memory_after_the_work_of_a_destroyed_stream',
    'host_reads_after_synchronising',
    'host_reads_after_the_default_stream',
    'default_stream_and_a_blocking_one',
    'staging_refilled_after_the_copy',
    'block_handed_on_after_its_event',
  ];
  const wrong = [
    'streams_without_an_event',
    'event_destroyed_instead_of_awaited',
    'memory_of_a_destroyed_stream_at_once',
    'host_reads_too_early',
    'host_reads_before_the_default_stream',
    'default_stream_and_a_non_blocking_one',
    'staging_refilled_too_early',
    'block_handed_on_too_early',
  ];

  it.each(right)('gives the right result in every order, and reports nothing: %s', (name) => {
    expect(rightIn(name)).toEqual(randomOrders);
    expect(kinds()).toEqual([]);
  });

  it.each(wrong)('gives a wrong result in some order: %s', (name) => {
    const orders = rightIn(name).length;
    expect(orders).toBeGreaterThan(0);
    expect(orders).toBeLessThan(randomOrders.length);
  });

  it.each(wrong)('reports that nothing orders it, in every order: %s', (name) => {
    for (const seed of [0, ...randomOrders]) {
      emulator().reset();
      emulator().configure({ seed });
      emulator().runHostCase(name);
      expect([seed, [...new Set(kinds())]]).toEqual([seed, ['stream-race']]);
    }
  });

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
