// Four processes over TCP sockets. Every message is its length in four bytes and what `v8.serialize` makes of it.
import { fork } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { deserialize, serialize } from 'node:v8';
import { fusedBearLoss } from 'fused-bear-loss';
import { logitOf, OPTIONS, PARTS, ROWS, step, TARGETS, VOCAB_SIZE } from './step.mjs';

function send(socket, value) {
  const body = serialize(value);
  const head = Buffer.alloc(4);
  head.writeUInt32LE(body.length);
  socket.write(Buffer.concat([head, body]));
}

function onMessage(socket, handle) {
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32LE()) {
      const end = 4 + pending.readUInt32LE();
      handle(deserialize(pending.subarray(4, end)));
      pending = pending.subarray(end);
    }
  });
}

const row = (index, { firstToken, tokens }) =>
  Float32Array.from({ length: tokens }, (_, token) => logitOf(index, firstToken + token));
const logitsOf = (part) => Float32Array.from(Array.from({ length: ROWS }, (_, index) => [...row(index, part)]).flat());

async function relay() {
  const sockets = [];
  const received = [];
  const results = [];
  const server = createServer();
  const done = new Promise((resolve, reject) => {
    server.on('connection', (socket) => {
      sockets.push(socket);
      socket.on('error', reject);
      onMessage(socket, ({ partials, result }) => {
        if (partials !== undefined && received.push(partials) === PARTS.length) {
          for (const each of sockets) send(each, received);
        }
        if (result !== undefined && results.push(result) === PARTS.length) resolve();
      });
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const children = PARTS.map((_, index) =>
    fork(fileURLToPath(import.meta.url), [String(server.address().port), String(index)]),
  );
  const died = children.map(
    (child) =>
      new Promise((_, reject) =>
        child.on('exit', (code) => code !== 0 && reject(new Error(`a part ended with ${code}`))),
      ),
  );
  await Promise.race([done, ...died]);
  for (const socket of sockets) socket.end();
  server.close();

  const whole = fusedBearLoss(logitsOf({ firstToken: 0, tokens: VOCAB_SIZE }), TARGETS, OPTIONS);
  let difference = 0;
  for (const { part, gradLogits } of results) {
    gradLogits.forEach((value, index) => {
      const at = Math.floor(index / part.tokens) * VOCAB_SIZE + part.firstToken + (index % part.tokens);
      difference = Math.max(difference, Math.abs(value - whole.gradLogits[at]));
    });
  }
  const bytes = serialize(received[0]).length / ROWS;
  console.log(JSON.stringify({ losses: results.map(({ loss }) => loss), whole: whole.loss, difference, bytes }));
}

async function part(port, index) {
  const place = PARTS[index];
  const socket = connect(port, '127.0.0.1');
  const exchange = (partials) =>
    new Promise((resolve) => {
      onMessage(socket, resolve);
      send(socket, { partials });
    });
  const { loss, gradLogits } = await step(logitsOf(place), place.firstToken, place.tokens, exchange);
  send(socket, { result: { part: place, loss, gradLogits } });
}

const [port, index] = process.argv.slice(2).map(Number);
await (port === undefined ? relay() : part(port, index));
