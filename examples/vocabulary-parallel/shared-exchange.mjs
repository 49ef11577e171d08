// The exchange of partials between threads, in memory that they share. Nothing is sent after the threads have started.

/** Steps that a thread looks again before it sleeps: waking one up takes longer than another part is late. */
const LOOKS = 10_000;

function shared(array) {
  const copy = new array.constructor(new SharedArrayBuffer(array.byteLength));
  copy.set(array);
  return copy;
}

/** The partials of one part with all that changes from step to step in shared memory. */
function slotFor(sample) {
  const entries = Object.entries(sample);
  const arrays = entries.filter(([, value]) => ArrayBuffer.isView(value)).map(([name, array]) => [name, shared(array)]);
  return { sample, arrays: Object.fromEntries(arrays), fingerprint: shared(Uint32Array.of(sample.fingerprint)) };
}

/**
 * What every thread is started with. `samples` are the partials of each part, of any logits and targets: only the lengths
 * count. Two slots per part, as a slow thread may still read one when a fast one has come to the next step.
 */
export function shareMemory(samples) {
  return { posted: shared(Int32Array.of(0)), slots: [samples.map(slotFor), samples.map(slotFor)] };
}

/** Counts one more, and wakes all who wait for it. */
export function count(counter) {
  Atomics.add(counter, 0, 1);
  Atomics.notify(counter, 0);
}

/** Until so many have been counted. */
export function waitFor(counter, least) {
  for (let looks = 0; ; looks++) {
    const found = Atomics.load(counter, 0);
    if (((found - least) | 0) >= 0) return;
    if (looks >= LOOKS) Atomics.wait(counter, 0, found);
  }
}

export class SharedExchange {
  #step = 0;

  constructor(memory, part) {
    this.memory = memory;
    this.part = part;
  }

  /** Posts the partials of this part and returns those of all parts, which hold until the next call but one. */
  exchange(partials) {
    const { posted, slots } = this.memory;
    const current = slots[this.#step++ % 2];
    const { arrays, fingerprint } = current[this.part];
    for (const [name, array] of Object.entries(arrays)) array.set(partials[name]);
    fingerprint[0] = partials.fingerprint;
    count(posted);
    waitFor(posted, this.#step * current.length);
    return current.map((slot) => ({ ...slot.sample, ...slot.arrays, fingerprint: slot.fingerprint[0] }));
  }
}
