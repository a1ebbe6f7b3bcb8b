// What docs/zeromq.md's program in Go needs.
module site

go 1.20

require github.com/pebbe/zmq4 v1.4.0
