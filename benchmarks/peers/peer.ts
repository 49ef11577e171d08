// What else computes such a loss. None is needed: a run leaves out what is not installed, and says so.
import { jaxVersion } from './jax';
import { onnxruntimeVersion } from './onnxruntime';
import { tfjsVersion } from './tfjs';
import { torchVersion } from './torch';

const probes = {
  onnxruntime: { probe: onnxruntimeVersion, install: 'npm install --no-save --ignore-scripts onnxruntime-node' },
  PyTorch: { probe: torchVersion, install: 'apt-get install python3-torch libopenblas0-pthread' },
  tfjs: { probe: tfjsVersion, install: 'npm install @tensorflow/tfjs-core @tensorflow/tfjs-backend-wasm' },
  'jax-js': { probe: jaxVersion, install: 'npm install @jax-js/jax' },
} as const;

export type PeerName = keyof typeof probes;

export interface PeerState {
  name: PeerName;
  /** With what it computes by; undefined: not installed. */
  version?: string;
}

export async function findPeers(): Promise<PeerState[]> {
  const names = Object.keys(probes) as PeerName[];
  return Promise.all(names.map(async (name) => ({ name, version: await probes[name].probe() })));
}

/** One line. */
export function peerText({ name, version }: PeerState): string {
  return version === undefined ? `${name}: not installed (${probes[name].install})` : `${name}: ${version}`;
}
