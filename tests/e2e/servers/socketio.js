// SPDX-License-Identifier: Apache-2.0
// A socket.io server with rooms and acknowledgements. Prints `listening PORT`.
const http = require('http');
const { Server } = require('socket.io');

const web = http.createServer();
const io = new Server(web);
io.on('connection', (socket) => {
  socket.on('join', (room, done) => {
    socket.join(room);
    done(socket.conn.transport.name);
  });
  socket.on('say', (room, text) => io.to(room).emit('said', text, socket.conn.transport.name));
});
web.listen(0, '127.0.0.1', () => console.log('listening', web.address().port));
