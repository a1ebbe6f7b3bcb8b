// socket.io: what is POSTed to /publish goes to every socket as one event. Usage: node socketio.cjs PORT
"use strict";
const http = require("node:http");
const { Server } = require("socket.io");

const server = http.createServer((request, response) => {
  if (request.url !== "/publish") return;
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (text) => (body += text));
  request.on("end", () => {
    io.emit("bench", JSON.parse(body));
    response.writeHead(204).end();
  });
});
server.keepAliveTimeout = 0;
const io = new Server(server, { transports: ["websocket"], serveClient: false });
server.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
