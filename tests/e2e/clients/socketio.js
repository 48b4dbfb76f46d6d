// SPDX-License-Identifier: Apache-2.0
// Two socket.io clients in one room: what one says the other hears. They start with long polling
// and move up to a WebSocket, as browsers do. Usage: socketio.js URL. Prints what was heard.
const { io } = require('socket.io-client');

const url = process.argv[2];
const ca = require('fs').readFileSync(process.env.CA);
const options = { ca, rejectUnauthorized: true, reconnection: false };
const fail = (error) => { console.error(error); process.exit(1); };

async function client() {
  const socket = io(url, options);
  socket.on('connect_error', fail);
  await new Promise((done) => socket.on('connect', done));
  const { engine } = socket.io;
  if (engine.transport.name !== 'websocket') {
    await new Promise((done) => engine.once('upgrade', done));
  }
  return socket;
}

(async () => {
  const [alice, bob] = await Promise.all([client(), client()]);
  const transports = await Promise.all([alice, bob].map((s) => s.emitWithAck('join', 'room')));
  const heard = new Promise((done) =>
    bob.on('said', (text, transport) => done({ text, transport })));
  alice.emit('say', 'room', 'hello, Bob');
  console.log(JSON.stringify({ ...(await heard), transports }));
  alice.close();
  bob.close();
})().catch(fail);
