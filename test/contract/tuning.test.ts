/** The tuning of the CPU kernels changes times, and no bit of a result. */
import { deviceUnderTest, isWasm } from '../support/backend-under-test';
import { runProbeWith } from '../support/run-probe';
import type { TuningAnswer } from '../support/tuning-probe';

function answerWith(tuning: string): TuningAnswer {
  return JSON.parse(runProbeWith('tuning-probe.ts', { FUSED_BEAR_LOSS_TUNING: tuning }).toString());
}

if (deviceUnderTest !== 'cpu' || isWasm) {
  describe.skip('tunings (skipped: only the native CPU kernels have them)', () => {
    it('give the same results', () => {});
  });
} else {
  const own = answerWith('');

  describe('FUSED_BEAR_LOSS_TUNING', () => {
    it('may be empty: the processor decides', () => {
      expect(own.warnings).toEqual([]);
      expect(['default', 'zen4', 'sapphire-rapids']).toContain(own.tuning);
      expect(own.results.length).toBeGreaterThan(200);
    });

    it.each([
      'default',
      'zen4',
      'sapphire-rapids',
      'zen4,longRow=1',
      'zen4,longRow=1,recomputedRow=1000000',
      'sapphire-rapids,streamedGradientBytes=0',
      'zen4,streamedGradientBytes=0',
      'zen4,streamedGradientBytes=0,longStreamedRow=1',
      'prefetchWindow=4096,prefetchStreams=16,prefetchNear=64,logitsPerShare=1',
    ])('%s changes no bit of any result', (tuning) => {
      const answer = answerWith(tuning);
      expect(answer.warnings).toEqual([]);
      expect(answer.tuning).toBe(tuning);
      expect(answer.results).toEqual(own.results);
    });

    it.each(['zen5', 'zen4,prefetchWindow=5000', 'longRow=1x', 'zen4,', `zen4,longRow=${'1'.repeat(300)}`])(
      '%s is not followed, and a warning says so',
      (tuning) => {
        const answer = answerWith(tuning);
        expect(answer.warnings).toEqual([expect.stringContaining('FUSED_BEAR_LOSS_TUNING was not followed: ')]);
        expect(answer.tuning).toBe(own.tuning);
      },
    );
  });
}
