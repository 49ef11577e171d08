// Starts a program, named by its path, on a runtime without SharedArrayBuffer: as a page that is not isolated.
delete globalThis.SharedArrayBuffer;
process.argv.splice(1, 1);
require(process.argv[1]);
