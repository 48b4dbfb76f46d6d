// SPDX-License-Identifier: Apache-2.0
// An ordinary HTTP/1.1 server: Node's own. Prints `listening PORT`, and a JSON line for every
// connection it takes and every request it sees the end of.
const crypto = require('crypto');
const http = require('http');

let connections = 0;

function text(response, status, body, fields = {}) {
  const own = { 'Content-Type': 'text/plain', 'Content-Length': body.length };
  response.writeHead(status, { ...own, ...fields });
  response.end(body);
}

// Deterministic bytes that no compression or repetition could hide an error in.
function* noise(size) {
  const cipher = crypto.createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16, 2));
  const zeros = Buffer.alloc(64 * 1024);
  for (let left = size; left > 0; left -= zeros.length) {
    yield cipher.update(zeros.subarray(0, Math.min(left, zeros.length)));
  }
}

const pages = {
  '/hello': (request, response) => text(response, 200, 'hello\n'),
  '/seen': (request, response) =>
    text(response, 200, JSON.stringify({ method: request.method, url: request.url })),
  '/nothing': (request, response) => response.writeHead(204).end(),
  '/unchanged': (request, response) => response.writeHead(304, { ETag: '"1"' }).end(),
  '/hints': (request, response) =>
    response.writeEarlyHints({ link: '</style.css>; rel=preload' },
                             () => text(response, 200, 'after hints\n')),

  // Answers with what it took: bytes, sha256, framing, trailers.
  '/upload': (request, response) => {
    const hash = crypto.createHash('sha256');
    let size = 0;
    request.on('data', (data) => { hash.update(data); size += data.length; });
    request.on('end', () => text(response, 200, JSON.stringify({
      size, sha256: hash.digest('hex'), trailers: request.trailers,
      length: request.headers['content-length'], coding: request.headers['transfer-encoding'],
    })));
  },

  // /download?SIZE[,chunked]
  '/download': (request, response) => {
    const [size, chunked] = new URL(request.url, 'http://x').search.slice(1).split(',');
    const fields = chunked ? {} : { 'Content-Length': size };
    response.writeHead(200, { 'Content-Type': 'application/octet-stream', ...fields });
    const pieces = noise(Number(size));
    const pump = () => {
      for (;;) {
        const { value, done } = pieces.next();
        if (done) return response.end();
        if (!response.write(value)) return response.once('drain', pump);
      }
    };
    pump();
  },

  '/trailers': (request, response) => {
    response.writeHead(200, { Trailer: 'X-Checksum' });
    response.write('body with trailers\n');
    response.addTrailers({ 'X-Checksum': 'abc123' });
    response.end();
  },

  // Server-sent events: the next one only when the test asks for it with POST /events/next.
  '/events': (request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write('data: 0\n\n');
    let sent = 0;
    next = () => response.write(`data: ${++sent}\n\n`);
  },
  '/events/next': (request, response) => { next(); text(response, 200, 'sent\n'); },
};
let next = () => {};

const server = http.createServer((request, response) => {
  request.on('close', () =>
    console.log(JSON.stringify({ path: request.url, complete: request.complete })));
  const page = pages[request.url.split('?')[0]];
  if (page) page(request, response);
  else text(response, 404, 'no such page\n');
});
server.keepAliveTimeout = 60000;
server.on('connection', () => console.log(JSON.stringify({ connection: ++connections })));
server.listen(0, '127.0.0.1', () => console.log('listening', server.address().port));
