import { DEFAULT_VARIANTS, parseVariant, variantFolder } from '../../src/comparison/variants';
import { DEFAULT_LAMBDAS } from '../../src/training/losses';

describe('parseVariant', () => {
  it('reads a loss, or a penalty with what differs from the defaults', () => {
    expect(parseVariant('msl')).toEqual({ name: 'msl', settings: { loss: 'msl' } });
    expect(parseVariant('hinge, lambda=2,margin=-0.5')).toEqual({
      name: 'hinge,lambda=2,margin=-0.5',
      settings: { loss: 'bear', penalty: 'hinge', lambda: 2, margin: -0.5 },
    });
    expect(parseVariant('log-sigmoid,xi=0.5,B=3,flow,from=1,end=3').settings).toEqual({
      loss: 'bear',
      penalty: 'log-sigmoid',
      lambda: DEFAULT_LAMBDAS['log-sigmoid'],
      xi: 0.5,
      lossBeamWidth: 3,
      thresholdGradient: 'flow',
      penaltyStart: 1,
      penaltyEnd: 3,
    });
  });

  it('reads a lambda for each decision', () => {
    const { name, settings } = parseVariant('reweight,lambda=16/4.5/0,xi=2');
    expect(settings).toMatchObject({ penalty: 'reweight', lambdas: [16, 4.5, 0], xi: 2 });
    expect(variantFolder({ name, settings })).toBe('reweight_lambda_16_4.5_0_xi_2');
  });

  it('lets any variant search at another temperature', () => {
    expect(parseVariant('msl,tau=1.5').settings).toEqual({ loss: 'msl', temperature: 1.5 });
    expect(parseVariant('sft,T=0.8').settings).toEqual({ loss: 'sft', searchTemperature: 0.8 });
  });

  it('reads APAO, masked or as published', () => {
    expect(parseVariant('apao').settings).toEqual({ loss: 'apao' });
    const { settings } = parseVariant('apao,beta=0.5,eta=-1,unmasked,tau=2');
    expect(settings).toEqual({ loss: 'apao', beta: 0.5, eta: -1, unmasked: true, temperature: 2 });
  });

  it.each([
    ['apao,lambda=1', /expected tau=NUMBER, T=NUMBER, beta=NUMBER, eta=NUMBER, unmasked, got "lambda=1"/],
    ['apao,beta=-1', /beta must be a number of at least 0, got "-1"/],
    ['msl,unmasked', /expected tau=NUMBER, T=NUMBER, got "unmasked"/],
    ['hinge,beta=1', /expected lambda=NUMBER, .*, flow, got "beta=1"/],
    ['adam', /expected one of sft, msl, apao, hinge, softplus, sigmoid, log-sigmoid, reweight, got "adam"/],
    ['msl,lambda=1', /expected tau=NUMBER, T=NUMBER, got "lambda=1"/],
    ['hinge,xl=1', /expected lambda=NUMBER, .*, flow, got "xl=1"/],
    ['hinge,lambda=', /expected .*, got "lambda="/],
    ['hinge,lambda=x', /lambda must be a number of at least 0, got "x"/],
    ['hinge,lambda=-1', /lambda must be a number of at least 0, got "-1"/],
    ['hinge,lambda=1//2', /lambda must be a number of at least 0, got "1\/\/2"/],
    ['softplus,xi=1/2', /xi must be a number above 0, got "1\/2"/],
    ['softplus,xi=0', /xi must be a number above 0, got "0"/],
    // Settings that would be without effect.
    ['hinge,xi=2', /expected lambda=NUMBER, .*, got "xi=2"/],
    ['softplus,margin=1', /expected lambda=NUMBER, .*, got "margin=1"/],
    ['reweight,flow', /expected lambda=NUMBER, .*, got "flow"/],
    ['hinge,from=2,end=2', /no decision is from 2 on and before 2/],
    ['hinge,B=2.5', /B must be a positive whole number, got "2.5"/],
    ['hinge,from=-1', /from must be a whole number of at least 0/],
    ['hinge,lambda=1,lambda=2', /lambda=2 sets what is set already/],
    ['hinge,lambda=1,lambda=2/3', /lambda=2\/3 sets what is set already/],
    ['hinge,flow,flow', /flow sets what is set already/],
  ])('refuses %s', (text, message) => {
    expect(() => parseVariant(text)).toThrow(message);
    expect(() => parseVariant(text)).toThrow(JSON.stringify(text));
  });

  it('has defaults that it reads, each with a folder of its own', () => {
    const folders = DEFAULT_VARIANTS.map(parseVariant).map(variantFolder);
    expect(new Set(folders).size).toBe(DEFAULT_VARIANTS.length);
    for (const folder of folders) expect(folder).toMatch(/^[\w.+-]+$/);
  });
});
