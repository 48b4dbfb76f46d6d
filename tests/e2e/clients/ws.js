// SPDX-License-Identifier: Apache-2.0
// Node's ws as a client: sends messages of the sizes given, text and binary, checks every echo.
// Usage: ws.js URL SIZE...   Prints {"echoed": N, "extensions": "..."}.
const crypto = require('crypto');
const WebSocket = require('ws');

const [url, ...sizes] = process.argv.slice(2);
const messages = sizes.flatMap((size) => {
  const bytes = crypto.randomBytes(Number(size));
  return [bytes, bytes.toString('base64').slice(0, size)];
});
const socket = new WebSocket(url, { maxPayload: 256 * 1024 * 1024 });
let echoed = 0;

socket.on('open', () => messages.forEach((message) => socket.send(message)));
socket.on('message', (data, isBinary) => {
  const sent = messages[echoed++];
  const same = isBinary ? data.equals(sent) : data.toString() === sent;
  if (!same) throw new Error(`echo ${echoed} differs`);
  if (echoed === messages.length) socket.close(4000, 'enough');
});
socket.on('close', (code, reason) => console.log(JSON.stringify({
  echoed, extensions: socket.extensions, code, reason: reason.toString() })));
