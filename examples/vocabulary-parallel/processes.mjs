// Four processes over ZeroMQ. Each part sends its partials to the first process, which sends all of them to every part.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { deserialize, serialize } from 'node:v8';
import { fusedBearLoss } from 'fused-bear-loss';
import { Dealer, Router } from 'zeromq';
import { logitOf, OPTIONS, PARTS, ROWS, step, TARGETS, VOCAB_SIZE } from './step.mjs';

const row = (index, { firstToken, tokens }) =>
  Float32Array.from({ length: tokens }, (_, token) => logitOf(index, firstToken + token));
const logitsOf = (part) => Float32Array.from(Array.from({ length: ROWS }, (_, index) => [...row(index, part)]).flat());

async function relay() {
  const router = new Router();
  await router.bind('tcp://127.0.0.1:*');
  const children = PARTS.map((_, index) =>
    fork(fileURLToPath(import.meta.url), [router.lastEndpoint, String(index)]).on('exit', (code) => {
      if (code !== 0) throw new Error(`part ${index} ended with ${code}`);
    }),
  );
  const receive = async () => {
    const [sender, body] = await router.receive();
    return { sender, message: deserialize(body) };
  };
  const partials = [];
  for (const _ of children) partials.push(await receive());
  const all = serialize(partials.map(({ message }) => message));
  for (const { sender } of partials) await router.send([sender, all]);
  const results = [];
  for (const _ of children) results.push((await receive()).message);
  router.close();

  const whole = fusedBearLoss(logitsOf({ firstToken: 0, tokens: VOCAB_SIZE }), TARGETS, OPTIONS);
  let difference = 0;
  for (const { part, gradLogits } of results) {
    gradLogits.forEach((value, index) => {
      const at = Math.floor(index / part.tokens) * VOCAB_SIZE + part.firstToken + (index % part.tokens);
      difference = Math.max(difference, Math.abs(value - whole.gradLogits[at]));
    });
  }
  const bytes = serialize(partials[0].message).length / ROWS;
  console.log(JSON.stringify({ losses: results.map(({ loss }) => loss), whole: whole.loss, difference, bytes }));
}

async function part(endpoint, index) {
  const place = PARTS[index];
  const dealer = new Dealer();
  dealer.connect(endpoint);
  const exchange = async (partials) => {
    await dealer.send(serialize(partials));
    const [all] = await dealer.receive();
    return deserialize(all);
  };
  const { loss, gradLogits } = await step(logitsOf(place), place.firstToken, place.tokens, exchange);
  await dealer.send(serialize({ part: place, loss, gradLogits }));
  dealer.close();
}

const [endpoint, index] = process.argv.slice(2);
await (endpoint === undefined ? relay() : part(endpoint, Number(index)));
