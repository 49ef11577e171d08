// The arrays of one call in the memory of a module that only this call has: it is let go with the call.
import type { NativeArray } from '../native/binding.js';
import { Layout, viewOfModule } from './blocks.js';
import type { VIEW_TYPES } from './loss-call.js';
import { instantiate, type ModuleExports } from './module.js';

interface Place {
  at: number;
  type: keyof typeof VIEW_TYPES;
  length: number;
}

export class OwnModule<Name extends string> {
  wasm!: ModuleExports;
  private base = 0;
  private readonly layout = new Layout();
  private readonly places: Partial<Record<Name, Place>> = {};

  /** Places for arrays like these, which are views without anything that a program may have done to them. */
  constructor(arrays: Partial<Record<Name, NativeArray>>) {
    for (const [name, array] of Object.entries(arrays) as [Name, NativeArray | undefined][]) {
      if (array === undefined) continue;
      const { byteLength, length } = array;
      const type = array.constructor.name as keyof typeof VIEW_TYPES;
      this.places[name] = { at: this.layout.place(byteLength), type, length };
    }
  }

  /** A place for something else. */
  place(bytes: number): number {
    return this.layout.place(bytes);
  }

  /** Takes the memory; false where there is not that much. */
  allocate(): boolean {
    this.wasm = instantiate();
    this.base = this.wasm.allocate(this.layout.bytes);
    return this.base !== 0;
  }

  at(place: number): number {
    return this.base + place;
  }

  lengthOf(name: Name): number | undefined {
    return this.places[name]?.length;
  }

  /** A view for at once: the memory moves when it grows. */
  array(name: Name): NativeArray {
    const { at, type, length } = this.places[name] as Place;
    return viewOfModule(this.wasm, type, this.at(at), length);
  }

  pointer(name: Name): number {
    const place = this.places[name];
    return place === undefined ? 0 : this.at(place.at); // 0 is null
  }

  /** Writes pointers to arrays, null for those that are not there. */
  writePointers(place: number, names: readonly Name[]): void {
    viewOfModule(this.wasm, 'Uint32Array', this.at(place), names.length).set(names.map((name) => this.pointer(name)));
  }

  writeNumbers(place: number, numbers: Float64Array): void {
    viewOfModule(this.wasm, 'Float64Array', this.at(place), numbers.length).set(numbers);
  }
}
