/** Setup file of the jest project `cuda-emulated`: the package loads the tests' addon, and the contract runs on its device. */
import { emulatedAddonFolder, whyNotEmulated } from './emulator';

const reason = whyNotEmulated();
if (reason !== null) throw new Error(reason);

process.env.FUSED_BEAR_LOSS_PREBUILD = emulatedAddonFolder;
process.env.FUSED_BEAR_LOSS_TEST_DEVICE = 'cuda-emulated';
