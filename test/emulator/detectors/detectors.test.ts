import { emulator, type ReportKind, whyNotEmulated } from '../../support/emulator';

// Seed 0 is round robin; the others are random orders.
const seeds = [0, 1, 2, 3, 4, 5];
const reason = whyNotEmulated();
const describeEmulated = reason === null ? describe : describe.skip;

describeEmulated(`detectors of the emulator${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  // In a random order the spinning thread is stopped at times, and the other gets to set the flag.
  const roundRobinOnly: ReportKind[] = ['no-progress'];
  const faults = reason === null ? emulator().plantedFaults() : [];

  function reportsOf(name: string, faulty: boolean, seed: number): { kinds: Set<ReportKind>; error: number } {
    emulator().reset();
    emulator().configure({ seed, progressLimit: 100_000 });
    const error = emulator().runPlantedFault(name, faulty);
    return {
      kinds: new Set(
        emulator()
          .reports()
          .map((report) => report.kind),
      ),
      error,
    };
  }

  afterEach(() => emulator().reset());

  it('has a planted fault for every kind of report', () => {
    const kinds = new Set(faults.map((fault) => fault.kind));
    const all = new Set(emulator().reportKinds());
    // Of host code: see the tests of the runtime.
    all.delete('runtime-misuse');
    all.delete('stream-race');
    expect([...kinds].sort()).toEqual([...all].sort());
  });

  for (const { name, kind } of faults) {
    const subject = name.replaceAll('_', ' ');

    it(`finds ${kind}: ${subject}`, () => {
      for (const seed of roundRobinOnly.includes(kind) ? [0] : seeds) {
        expect([...reportsOf(name, true, seed).kinds]).toContain(kind);
      }
    });

    it(`finds nothing in the twin of: ${subject}`, () => {
      for (const seed of seeds) {
        const { kinds, error } = reportsOf(name, false, seed);
        expect({ seed, kinds: [...kinds], error }).toEqual({ seed, kinds: [], error: 0 });
      }
    });
  }

  it('stops a kernel whose access must not happen, and loses the device until the reset', () => {
    const illegalAddress = 700;
    expect(reportsOf('write_before_the_beginning', true, 0).error).toBe(illegalAddress);
    expect(emulator().runPlantedFault('write_before_the_beginning', false)).toBe(illegalAddress);
    emulator().reset();
    expect(emulator().runPlantedFault('write_before_the_beginning', false)).toBe(0);
  });

  it('runs threads in the same order for the same seed, and in another for another', () => {
    const race = (seed: number) => {
      emulator().reset();
      emulator().configure({ seed });
      emulator().runPlantedFault('write_then_read', true);
      return emulator().reports();
    };
    expect(race(1)).toEqual(race(1));
    expect(race(1)).not.toEqual(race(2));
  });
});
