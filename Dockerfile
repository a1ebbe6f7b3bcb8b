# One image for every part: docker run … pushnote-server …
FROM rust:1-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked --bins

FROM debian:bookworm-slim
COPY --from=build /source/target/release/pushnote /source/target/release/pushnote-mq \
    /source/target/release/pushnote-server /usr/local/bin/
USER nobody
CMD ["pushnote", "--help"]
