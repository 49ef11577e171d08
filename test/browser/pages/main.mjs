// Hands tests what the page has loaded. Loaded on demand, so that what is missing on a page harms nothing else there.
window.load = {
  adapters: () => import('./adapters.mjs'),
  contract: () => import('./contract.mjs'),
  package: () => import('fused-bear-loss'),
  cuda: () => import('fused-bear-loss/cuda'),
  decoding: () => import('fused-bear-loss/decoding'),
  speed: () => import('./speed.mjs'),
  quickstart: () => import('./quickstart.mjs'),
};
