// One case: a public call with some of its arguments spoiled, and what must hold of how it ends.
import { types } from 'node:util';
import * as workerThreads from 'node:worker_threads';
import type { PublicCall } from '../../support/public-calls.cjs';
import { addGetter, anyValue, Hostility, memberValue, NAMES, primitive, transformed } from './hostile-values.js';

export interface FacadeCase {
  /** Which call, modulo their number. */
  call: number;
  /** Of each spoiling: all that it chooses comes from this number. */
  spoilings: readonly number[];
}

/** Spoils something in the arguments, of which the first `firstArgument` are left alone. Returns how to undo it. */
function spoil(h: Hostility, args: unknown[], firstArgument: number): () => void {
  try {
    return spoilOne(h, args, firstArgument);
  } catch {
    return () => {}; // what was spoiled before cannot be spoiled again
  }
}

function spoilOne(h: Hostility, args: unknown[], firstArgument: number): () => void {
  const places = placesIn(args, firstArgument);
  const place = h.pick(places);
  const path = () => `${place.path}: `;
  switch (h.below(8)) {
    case 0:
    case 1:
      h.log.push(`${path()}any value`);
      put(place, memberValue(h, place.key));
      break;
    case 2:
      h.log.push(`${path()}a primitive`);
      put(place, memberValue(h, place.key, primitive(h)));
      break;
    case 3:
    case 4:
      h.log.push(path());
      put(
        place,
        typeof place.value === 'function'
          ? spoiledFunction(h, place.value)
          : memberValue(h, place.key, transformed(h, place.value)),
      );
      break;
    case 5:
      h.log.push(path());
      addGetter(h, place.parent, place.key);
      break;
    case 6: {
      const objects = places.filter(({ value }) => isPlainObject(value));
      const key = h.pick(NAMES);
      if (objects.length === 0) {
        args.push(h.below(2) === 0 ? { [key]: memberValue(h, key) } : anyValue(h));
        h.log.push(`one argument more, with ${key}`);
        break;
      }
      const { value, path } = h.pick(objects);
      h.log.push(`${path}.${key}: any value`);
      put({ parent: value as object, key }, memberValue(h, key));
      break;
    }
    default:
      return pollute(h);
  }
  return () => {};
}

interface Place {
  parent: object;
  key: string | number;
  value: unknown;
  path: string;
}

const isPlainObject = (value: unknown): value is object =>
  typeof value === 'object' &&
  value !== null &&
  !ArrayBuffer.isView(value) && // whose elements become numbers: of a sparse array, by way of a text without end
  !types.isProxy(value) &&
  Object.getPrototypeOf(value) === Object.prototype;

/** Every position in the arguments that can be reached without running any code of theirs. */
function placesIn(parent: object, first = 0, path = 'arguments'): Place[] {
  return Object.keys(parent)
    .slice(first)
    .flatMap((key) => {
      const descriptor = Object.getOwnPropertyDescriptor(parent, key);
      if (descriptor === undefined || !('value' in descriptor)) return [];
      const { value } = descriptor;
      const place = { parent, key, value, path: `${path}.${key}` };
      const isNested = value !== null && (isPlainObject(value) || (Array.isArray(value) && value.length < 100));
      return [place, ...(isNested ? placesIn(value, 0, place.path) : [])];
    });
}

function put({ parent, key }: Pick<Place, 'parent' | 'key'>, value: unknown): void {
  Reflect.set(parent, key, value);
}

/** A step that gives or throws something else. */
function spoiledFunction(h: Hostility, step: object): unknown {
  if (h.below(4) === 0) return transformed(h, step);
  return (...args: unknown[]) => {
    if (h.below(4) === 0) spoil(h, args, 0);
    const result: unknown[] = [];
    try {
      result.push((step as (...args: unknown[]) => unknown)(...args));
    } catch (error) {
      h.thrown.push(error);
      throw error;
    }
    if (h.below(4) > 0) spoil(h, result, 0);
    if (h.below(3) > 0) return result[0];
    const later = Promise.resolve().then(() => result[0]);
    later.catch((error) => h.thrown.push(error)); // a Proxy that was revoked cannot be the value of a promise
    return later;
  };
}

/** Members of the prototypes for the time of the call. Ordinary data: the language's own functions stay in place. */
function pollute(h: Hostility): () => void {
  const prototype = h.pick([Object.prototype, Array.prototype]) as unknown as Record<string, unknown>;
  const name = h.pick([...NAMES, '0', '1', '7']);
  if (Object.hasOwn(prototype, name)) return () => {};
  h.log.push(`${prototype === (Array.prototype as unknown) ? 'Array' : 'Object'}.prototype.${name}`);
  const value = memberValue(h, name, h.below(2) === 0 ? primitive(h) : anyValue(h, 3));
  pending.push(() =>
    Object.defineProperty(prototype, name, { value, writable: true, enumerable: false, configurable: true }),
  );
  return () => Reflect.deleteProperty(prototype, name);
}

/** What is done just before the call. */
let pending: (() => void)[] = [];

/** Runs the case; undefined where all is well, else what is wrong. */
export async function runCase(
  calls: readonly PublicCall[],
  codes: ReadonlySet<string>,
  { call: number, spoilings }: FacadeCase,
): Promise<string | undefined> {
  const call = calls[number % calls.length] as PublicCall;
  const args = call.makeArguments();
  const snapshots = buffersIn(args).map((buffer) => ({ buffer, bytes: Buffer.from(buffer).toString('latin1') }));
  const hostilities = spoilings.map((seed) => new Hostility(seed));
  for (const h of hostilities) h.buffers.push(...snapshots.map(({ buffer }) => buffer));
  pending = [];
  const undo = hostilities.map((h) => spoil(h, args, call.hasReceiver ? 1 : 0));
  const report = (problem: string) => `${call.name}: ${hostilities.flatMap(({ log }) => log).join('; ')}\n  ${problem}`;
  let error: unknown;
  try {
    for (const act of pending) act();
    await call.run(...args);
    return undefined;
  } catch (caught) {
    error = caught;
  } finally {
    for (const restore of undo) restore();
  }
  const isCallers = hostilities.some(({ thrown }) => thrown.includes(error));
  if (!isCallers && !isSignals(error) && !isCoded(error, codes)) return report(`ended with ${describeError(error)}`);
  const isAbort = isCallers || isSignals(error) || (error as { argument?: unknown }).argument === 'signal';
  const changed = snapshots.find(
    ({ buffer, bytes }) =>
      bytes !== '' &&
      isThere(buffer, bytes) &&
      Buffer.from(buffer).toString('latin1') !== bytes &&
      !(isAbort && mayBeBorrowed(buffer)),
  );
  return changed === undefined ? undefined : report('was refused and changed a buffer');
}

/** Thrown within a method of Node's own AbortSignal, which a Proxy of the case's stands in for. */
function isSignals(error: unknown): boolean {
  const frames = (error instanceof Error ? error.stack?.split('\n').slice(1) : undefined) ?? [];
  const ofSignal = frames.findIndex((frame) => frame.includes('node:internal/event_target'));
  const ofLibrary = frames.findIndex((frame) => /[\\/](dist|lib)[\\/]loss[\\/]/.test(frame));
  return ofSignal >= 0 && (ofLibrary < 0 || ofSignal < ofLibrary);
}

function isCoded(error: unknown, codes: ReadonlySet<string>): boolean {
  if (!(error instanceof TypeError || error instanceof RangeError)) return false;
  const { code, argument } = error as Error & { code?: unknown; argument?: unknown };
  return typeof code === 'string' && codes.has(code) && typeof argument === 'string';
}

function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Whether the buffer still has the length that it had: a case may have taken it away. */
function isThere(buffer: ArrayBufferLike, bytes: string): boolean {
  return buffer.byteLength === bytes.length;
}

/** Whether an asynchronous call may write there before it is done: after an abort such memory holds anything. */
function mayBeBorrowed(buffer: ArrayBufferLike): boolean {
  return types.isSharedArrayBuffer(buffer) || isMarkedAsUntransferable(buffer);
}

// Before Node 21 nobody can know, and no mark is made.
const isMarkedAsUntransferable: (buffer: ArrayBufferLike) => boolean =
  (workerThreads as { isMarkedAsUntransferable?: (buffer: ArrayBufferLike) => boolean }).isMarkedAsUntransferable ??
  (() => false);

function buffersIn(value: unknown): ArrayBufferLike[] {
  if (ArrayBuffer.isView(value)) return [value.buffer];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(buffersIn);
}
