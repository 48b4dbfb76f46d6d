// SPDX-License-Identifier: Apache-2.0
// A WebSocket echo by Node's ws. Prints `listening PORT`.
const { WebSocketServer } = require('ws');

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: true,
                                     maxPayload: 256 * 1024 * 1024 });
server.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});
server.on('listening', () => console.log('listening', server.address().port));
