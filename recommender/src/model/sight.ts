import { toDevice } from './device.js';
import { type DecoderSight, EXCLUDED, type Sight } from './network.js';
import { paddedPlaces } from './network-parameters.js';

/**
 * `[n, P]` item indices, -1 where there is none: a place sees itself and the items before it. An empty place sees itself
 * alone, so that nothing divides by 0.
 */
export function historySight(items: Int32Array, historyPlaces: number): Sight {
  const places = paddedPlaces(historyPlaces);
  const n = items.length / places;
  const history = new Float32Array(n * places * places).fill(EXCLUDED);
  for (let window = 0; window < n; window++) {
    for (let place = 0; place < places; place++) {
      const row = (window * places + place) * places;
      for (let seen = 0; seen < place; seen++) {
        if ((items[window * places + seen] as number) >= 0) history[row + seen] = 0;
      }
      history[row + place] = 0;
    }
  }
  const distances = new Float32Array(places ** 2 * historyPlaces);
  for (let place = 0; place < places; place++) {
    // No two items are further apart.
    for (let back = 0; back < Math.min(place + 1, historyPlaces); back++) {
      distances[(place * places + place - back) * historyPlaces + back] = 1;
    }
  }
  return {
    history: toDevice({ data: history, shape: [n, places, places] }),
    distances: toDevice({ data: distances, shape: [places * places, historyPlaces] }),
  };
}

/** `[n, M]` places of decisions, -1 where there is none: that sees the last place. */
export function decoderSight(items: Int32Array, decisionPlaces: Int32Array, historyPlaces: number): DecoderSight {
  const places = paddedPlaces(historyPlaces);
  const n = items.length / places;
  const decisions = decisionPlaces.length / n;
  const seen = new Float32Array(decisionPlaces.length * places).fill(EXCLUDED);
  const at = new Float32Array(decisionPlaces.length * places);
  decisionPlaces.forEach((decisionPlace, row) => {
    const window = Math.floor(row / decisions);
    const last = decisionPlace < 0 ? places - 1 : decisionPlace;
    at[row * places + last] = 1;
    seen[row * places + last] = 0;
    for (let place = 0; place < last; place++) {
      if ((items[window * places + place] as number) >= 0) seen[row * places + place] = 0;
    }
  });
  const shape = [n, decisions, places];
  return { decisions: toDevice({ data: seen, shape }), places: toDevice({ data: at, shape }) };
}
