// sockjs-node: what is POSTed to /publish goes to every connection. Usage: node sockjs_node.cjs PORT
"use strict";
const http = require("node:http");
const sockjs = require("sockjs");

const connections = new Set();
const service = sockjs.createServer({ prefix: "/sockjs", log: () => {} });
service.on("connection", (connection) => {
  connections.add(connection);
  connection.on("close", () => connections.delete(connection));
});

const server = http.createServer((request, response) => {
  if (request.url !== "/publish") return;
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (text) => (body += text));
  request.on("end", () => {
    for (const connection of connections) connection.write(body);
    response.writeHead(204).end();
  });
});
server.keepAliveTimeout = 0;
service.installHandlers(server);
server.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
