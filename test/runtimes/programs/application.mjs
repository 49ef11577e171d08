// What esbuild bundles.
import { capabilities, fusedBearLoss } from 'fused-bear-loss';
import { TokenTrie } from 'fused-bear-loss/decoding';

const { backend, reason } = capabilities();
const { loss } = fusedBearLoss(new Float32Array(2), [1]);
console.log(JSON.stringify({ backend, reason, loss, leaves: TokenTrie.fromSequences([[0], [1]]).leafCount }));
